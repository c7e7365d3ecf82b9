// The store's printers: how each is, and what can be done with it.
"use strict";
(() => {
  const { draw, say } = docket;
  const section = document.getElementById("printers");
  const title = draw("h2", {});
  const opener = docket.button("add", "", () => docket.openAdding(), { class: "primary add" });
  const cards = draw("ul", { class: "cards" });
  section.append(draw("div", { class: "head" }, title, opener), cards);
  docket.adderButton = opener;

  // The printer whose form is open, by its key: its card is left alone meanwhile.
  let changing = null;

  // One that is off may have the name of another one. No name has a line break.
  const key = (printer) => (printer.why ? `${printer.name}\n${printer.address}` : printer.name);
  const all = () => (docket.state ? docket.state.printers.concat(docket.state.off) : []);

  function word(printer) {
    return say("lights")[printer.paused && printer.light === "yellow" ? "paused" : printer.light];
  }

  function facts(printer) {
    const stations = printer.stations.map(docket.stationName).join("、") || say("noStations");
    const fact = (label, ...value) => [draw("dt", {}, label), draw("dd", {}, ...value)];
    return draw("dl", {},
      ...fact(say("stations"), stations),
      ...fact(say("waiting"), draw("b", { class: printer.waiting ? "some" : "" }, String(printer.waiting)), say("sheets")),
      ...fact(say("heard"), printer.heard_at ? docket.age(printer.heard_at, "ago") : say("neverHeard")),
      ...fact(say("address"), draw("span", { class: "address" }, printer.address), ` · ${printer.paper_mm} mm`),
      ...(printer.backup ? fact(say("backup"), printer.backup) : []));
  }

  function conditions(printer) {
    // Told as unknown by the light already.
    return printer.conditions.filter((condition) => condition.code !== "unknown").map((condition) =>
      draw("p", { class: "condition" }, docket.pick(condition), " ", docket.age(condition.since, "since")));
  }

  function card(element, printer) {
    if (changing === key(printer) && element.querySelector("form")) return;
    const named = (text) => `${text}: ${printer.name}`;
    const change = !printer.fixed && docket.button("change", say("change"), () => openForm(element, printer),
      { "aria-label": named(say("change")) });
    if (printer.why) {
      element.className = "card yellow";
      docket.refill(element, [
        draw("h3", {}, docket.light("yellow", say("isOff")), draw("span", { class: "name" }, printer.name)),
        draw("p", { class: "condition" }, docket.pick(printer.why)),
        draw("p", { class: "hint address" }, printer.address),
        draw("div", { class: "buttons" }, change),
      ]);
      return;
    }
    element.className = `card ${printer.light}`;
    const test = docket.button("test", say("test"), () => docket.doing(test, async () => {
      if (await docket.ask("/api/printers/test", { printer: printer.name })) docket.notice(say("sentTest", printer.name));
    }), { "aria-label": named(say("test")) });
    const pauseWord = say(printer.paused ? "resume" : "pause");
    const pause = docket.button("pause", pauseWord, () => docket.doing(pause, async () => {
      if (await docket.ask("/api/printers/pause", { printer: printer.name, paused: !printer.paused })) {
        docket.notice(say(printer.paused ? "resumed" : "paused", printer.name));
      }
    }), { class: printer.paused ? "primary" : "", "aria-label": named(pauseWord) });
    docket.refill(element, [
      draw("h3", {}, docket.light(printer.light, word(printer)), draw("span", { class: "name" }, printer.name),
        printer.default && draw("small", { title: say("isDefaultHint") }, say("isDefault"))),
      ...conditions(printer),
      facts(printer),
      draw("div", { class: "buttons" }, test, pause, change),
      printer.fixed && draw("p", { class: "hint" }, say("fixed")),
      printer.from === "headquarters" && draw("p", { class: "hint" }, say("ofHeadquarters")),
      printer.from === "staff-instead" && draw("p", { class: "hint" }, say("insteadOfHeadquarters")),
    ]);
  }

  function openForm(element, printer) {
    changing = key(printer);
    const off = Boolean(printer.why);
    const close = (focus) => {
      changing = null;
      card(element, all().find((other) => key(other) === key(printer)) || printer);
      const back = focus && element.querySelector("[data-id=change]");
      if (back) back.focus();
    };
    const { form, name } = docket.printerForm(printer, off ? null : printer.name, (read) => {
      const save = docket.button("save", say("save"), () => docket.doing(save, async () => {
        if (await docket.ask("/api/printers/change", { printer: printer.name, off, to: read() })) {
          docket.notice(say("saved"));
          close(true);
        }
      }), { class: "primary" });
      const remove = docket.button("remove", say("remove"), () => {
        docket.refill(sure, [draw("span", {}, say("removeSure")), yes]);
        yes.focus();
      }, { class: "danger" });
      const yes = docket.button("yes", say("yesRemove"), () => docket.doing(yes, async () => {
        if (await docket.ask("/api/printers/remove", { printer: printer.name, off })) {
          docket.notice(say("removed", printer.name));
          changing = null;
          opener.focus();
        }
      }), { class: "danger" });
      const sure = draw("p", { class: "sure" });
      return [save, docket.button("cancel", say("cancel"), () => close(true)), remove, sure];
    });
    docket.refill(element, [draw("h3", {}, draw("span", { class: "name" }, printer.name)), form]);
    element.className = "card open";
    name.focus();
  }

  docket.onChange(() => {
    title.textContent = say("printers");
    opener.textContent = `+ ${say("add")}`;
    const printers = all();
    if (changing && !printers.some((printer) => key(printer) === changing)) changing = null;
    docket.renew(cards, "li", printers.map((printer) => [key(printer), printer]), card);
  });
})();
