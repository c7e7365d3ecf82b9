// Tickets: those that wait for a person, and the newest ones with what is known of each.
"use strict";
(() => {
  const { draw, say } = docket;
  const heldSection = document.getElementById("held");
  const heldTitle = draw("h2", {});
  const heldHint = draw("p", { class: "hint" });
  const heldList = draw("ul", { class: "held" });
  heldSection.append(heldTitle, heldHint, heldList);

  const section = document.getElementById("tickets");
  const title = draw("h2", {});
  const none = draw("p", { class: "hint" });
  const list = draw("ul", { class: "tickets" });
  const remedies = draw("div", {}); // each once, however many tickets have boxes
  section.append(draw("div", { class: "head" }, title), remedies, none, list);

  const AGAIN = "&again=1"; // the preview with the marks that it would bear
  const open = new Set(); // ids of tickets that are looked at

  // ---- held ----

  function held(element, ticket) {
    const choose = (id, path, text, done, attributes) => {
      const button = docket.button(id, text, () => docket.doing(button, async () => {
        if (await docket.ask(path, { ticket: ticket.ticket })) docket.notice(say(done));
      }), Object.assign({ "aria-label": `${text}: ${ticket.title}` }, attributes));
      return button;
    };
    docket.refill(element, [
      draw("div", { class: "what" },
        draw("strong", {}, ticket.title), ` · ${ticket.printer} `, docket.age(ticket.since, "since"),
        ticket.doubt && draw("p", { class: "hint" }, docket.pick(ticket.doubt))),
      draw("div", { class: "buttons" },
        choose(`release-${ticket.ticket}`, "/api/tickets/release", say(ticket.expired ? "stillWanted" : "notOut"), "sentRelease",
          { class: "primary" }),
        choose(`settle-${ticket.ticket}`, "/api/tickets/settle", say(ticket.expired ? "notWanted" : "isOut"), "settled", {})),
    ]);
  }

  // ---- the newest ----

  function light(ticket) {
    if (ticket.state === "printed") return ticket.confirmed ? "green" : "yellow";
    if (ticket.state === "held") return "red";
    if (ticket.state === "settled" || ticket.state === "cancelled") return "plain";
    return ticket.doubt ? "yellow" : "unknown";
  }

  function row(element, ticket) {
    const isOpen = open.has(ticket.id);
    const marks = [
      ticket.urgent && say("urgent"),
      ticket.repeat > 0 && say("repeat", String(ticket.repeat)),
      ticket.backup && `${say("onBackup")}${ticket.backup}`,
      ticket.cut_short && say("cutShort"),
      ticket.late && docket.pick(ticket.late),
    ].filter(Boolean).map((mark) => draw("span", { class: "mark" }, mark));
    if (ticket.boxes) marks.push(draw("span", { class: "mark boxes" }, say("boxes"), draw("bdi", {}, ticket.boxes.characters)));
    const why = ticket.evidence || ticket.doubt;
    const detail = `ticket-${ticket.id}`;
    const look = docket.button(`look-${ticket.id}`, say(isOpen ? "hide" : "look"), () => {
      if (isOpen) open.delete(ticket.id); else open.add(ticket.id);
      row(element, ticket);
    }, { "aria-expanded": String(isOpen), "aria-controls": detail, "aria-label": `${say(isOpen ? "hide" : "look")}: ${ticket.title}` });
    element.className = "ticket";
    docket.refill(element, [
      draw("div", { class: "line" },
        draw("span", { class: "when" }, docket.clock(ticket.received_at)),
        draw("span", { class: "title" }, draw("strong", {}, ticket.title), ` ${docket.language === "en" ? ticket.kind || "" : ticket.kind_title || ""} `, ...marks),
        draw("span", { class: "printer" }, ticket.printer || "—"),
        draw("span", { class: "state" }, docket.light(light(ticket), docket.pick(ticket.says)),
          why && draw("small", {}, docket.pick(why))),
        look),
      isOpen && details(detail, ticket),
    ]);
  }

  function details(id, ticket) {
    const address = `/api/tickets/preview?ticket=${ticket.id}&v=${ticket.repeat}-${ticket.state}-${encodeURIComponent(ticket.backup || ticket.printer)}`;
    const actions = draw("div", { class: "actions" });
    const image = draw("img", { src: address, alt: say("preview"), onerror: () => {
      image.replaceWith(draw("p", { class: "hint" }, say("previewNone")));
    } });
    if (ticket.state === "held") {
      actions.append(draw("p", { class: "hint" }, say("heldHint")));
    } else if (["printed", "settled", "cancelled"].includes(ticket.state)) {
      ask();
    } else {
      actions.append(draw("p", { class: "hint" }, say("notYet")));
    }
    return draw("div", { class: "details", id }, draw("div", { class: "paper", tabindex: "0", role: "group", "aria-label": say("preview") }, image), actions);

    function ask() {
      if (image.src.includes(AGAIN)) image.src = address;
      docket.refill(actions, [docket.button(`reprint-${ticket.id}`, say("reprint"), sure, { class: "primary" })]);
    }

    // Paper that is printed again can be cooked again: so it is asked.
    function sure() {
      const printers = docket.state.printers.map((printer) => printer.name);
      const where = draw("select", { id: `on-${ticket.id}`, "data-id": `on-${ticket.id}` }, ...printers.map((name) => draw("option", { value: name }, name)));
      where.value = printers.indexOf(ticket.printer) >= 0 ? ticket.printer : printers[0];
      where.onchange = () => { image.src = `${address}${AGAIN}&printer=${encodeURIComponent(where.value)}`; };
      where.onchange();
      const yes = docket.button(`yes-${ticket.id}`, say("yesReprint"), () => docket.doing(yes, async () => {
        const printer = where.value === ticket.printer ? null : where.value;
        if (await docket.ask("/api/tickets/reprint", { ticket: ticket.id, printer })) {
          docket.notice(say("sentReprint"));
          open.delete(ticket.id);
        }
      }), { class: "primary" });
      docket.refill(actions, [
        draw("p", {}, ticket.next_repeat ? say("reprintSure", String(ticket.next_repeat)) : say("reprintPlain")),
        printers.length > 1 && draw("label", { for: `on-${ticket.id}` }, say("reprintOn")),
        printers.length > 1 && where,
        draw("div", { class: "buttons" }, yes, docket.button(`no-${ticket.id}`, say("cancel"), ask, {})),
      ]);
      yes.focus();
    }
  }

  docket.onChange(() => {
    const waits = docket.state ? docket.state.held_tickets : [];
    heldSection.hidden = waits.length === 0;
    heldTitle.textContent = say("held");
    heldHint.textContent = say("heldHint");
    docket.renew(heldList, "li", waits.map((ticket) => [ticket.ticket, ticket]), held);

    const tickets = docket.tickets || [];
    title.textContent = say("tickets");
    const wanted = new Set();
    for (const ticket of tickets) for (const remedy of ticket.boxes ? ticket.boxes.remedies : []) wanted.add(docket.pick(remedy));
    docket.refill(remedies, Array.from(wanted, (remedy) => draw("p", { class: "remedy" }, draw("strong", {}, say("boxesSome")), remedy)));
    none.textContent = docket.tickets && tickets.length === 0 ? say("ticketsNone") : "";
    docket.renew(list, "li", tickets.map((ticket) => [ticket.id, ticket]), row);
  });

  docket.start();
})();
