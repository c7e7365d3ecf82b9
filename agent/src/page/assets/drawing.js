// Making and renewing elements. Text only ever becomes text: no name of a dish or a printer can become markup.
"use strict";
(() => {
  // draw("p", { class: "x", hidden: true, onclick: f }, "text", element, …)
  docket.draw = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (name in element && typeof value === "boolean") element[name] = value;
      else if (name === "value") element.value = value;
      else element.setAttribute(name, value);
    }
    for (const child of children) {
      if (child !== null && child !== undefined && child !== false) element.append(child);
    }
    return element;
  };

  // Gives an element new children. What had the focus has it again, if there is its like: the same data-id.
  docket.refill = (element, children) => {
    const active = document.activeElement;
    const id = active && element.contains(active) ? active.dataset.id : undefined;
    while (element.firstChild) element.removeChild(element.firstChild);
    element.append(...children.filter(Boolean));
    if (id === undefined) return;
    for (const like of element.querySelectorAll("[data-id]")) {
      if (like.dataset.id === id) like.focus();
    }
  };

  // Brings the children of a list up to date. `items` are [key, anything]; `make(item)` gives an element's children, and
  // is asked only for what has changed: an open form, a scroll position and the focus stay.
  const shown = new WeakMap();
  docket.renew = (list, tag, items, make) => {
    const former = new Map();
    for (const child of list.children) former.set(child.dataset.key, child);
    let place = list.firstElementChild;
    for (const [key, item] of items) {
      let element = former.get(key);
      former.delete(key);
      if (!element) {
        element = docket.draw(tag, { "data-key": key });
        list.insertBefore(element, place);
      } else if (element === place) {
        place = place.nextElementSibling;
      } else {
        list.insertBefore(element, place);
      }
      const text = JSON.stringify([docket.language, item]);
      if (shown.get(element) !== text) {
        shown.set(element, text);
        make(element, item);
      }
    }
    for (const gone of former.values()) {
      if (gone === place) place = gone.nextElementSibling;
      gone.remove();
    }
  };

  docket.button = (id, text, onclick, attributes) =>
    docket.draw("button", Object.assign({ type: "button", "data-id": id, onclick }, attributes), text);

  // A shape, a colour and a word.
  docket.light = (light, word) =>
    docket.draw("span", { class: `light ${light}` },
      docket.draw("span", { class: "sign", "aria-hidden": "true" }), docket.draw("span", { class: "word" }, word));

  // An age that goes on counting; not read out each second.
  docket.age = (at, form) => docket.draw("time", { class: "age", "data-at": at, "data-form": form, "aria-hidden": "true" });

  // Says for a few seconds what came of a press.
  const NOTICE_MS = 6000;
  let timer = 0;
  docket.notice = (text, wrong) => {
    const notice = document.getElementById("notice");
    notice.textContent = text;
    notice.className = wrong ? "notice wrong" : "notice";
    notice.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { notice.hidden = true; }, wrong ? 2 * NOTICE_MS : NOTICE_MS);
  };

  // Asks the agent to do something; whether it was done. What was refused is said.
  docket.ask = async (path, body) => {
    let reply;
    try {
      reply = await fetch(path, {
        method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body || {}),
      });
    } catch (error) {
      docket.notice(docket.say("unreachable"), true);
      return false;
    }
    if (reply.ok) return true;
    if (reply.status === 401) location.reload();
    const fault = await reply.json().catch(() => null);
    docket.notice(fault && fault.zh ? docket.pick(fault) : docket.say("unreachable"), true);
    return false;
  };

  // A button that cannot be pressed twice while it is being done.
  docket.doing = (button, work) => {
    button.disabled = true;
    return work().then((value) => { button.disabled = false; return value; },
      (error) => { button.disabled = false; throw error; });
  };
})();
