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

  // The printer whose form is open: its card is left alone meanwhile.
  let changing = null;

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
    if (changing === printer.name && element.querySelector("form")) return;
    element.className = `card ${printer.light}`;
    const named = (text) => `${text}: ${printer.name}`;
    const test = docket.button("test", say("test"), () => docket.doing(test, async () => {
      if (await docket.ask("/api/printers/test", { printer: printer.name })) docket.notice(say("sentTest", printer.name));
    }), { "aria-label": named(say("test")) });
    const pauseWord = say(printer.paused ? "resume" : "pause");
    const pause = docket.button("pause", pauseWord, () => docket.doing(pause, async () => {
      if (await docket.ask("/api/printers/pause", { printer: printer.name, paused: !printer.paused })) {
        docket.notice(say(printer.paused ? "resumed" : "paused", printer.name));
      }
    }), { class: printer.paused ? "primary" : "", "aria-label": named(pauseWord) });
    const change = !printer.fixed && docket.button("change", say("change"), () => openForm(element, printer),
      { "aria-label": named(say("change")) });
    docket.refill(element, [
      draw("h3", {}, docket.light(printer.light, word(printer)), draw("span", { class: "name" }, printer.name),
        printer.default && draw("small", { title: say("isDefaultHint") }, say("isDefault"))),
      ...conditions(printer),
      facts(printer),
      draw("div", { class: "buttons" }, test, pause, change),
      printer.fixed && draw("p", { class: "hint" }, say("fixed")),
    ]);
  }

  function openForm(element, printer) {
    changing = printer.name;
    const close = (focus) => {
      changing = null;
      card(element, docket.state.printers.find((other) => other.name === printer.name) || printer);
      const back = focus && element.querySelector("[data-id=change]");
      if (back) back.focus();
    };
    const { form, name } = docket.printerForm(printer, printer.name, (read) => {
      const save = docket.button("save", say("save"), () => docket.doing(save, async () => {
        if (await docket.ask("/api/printers/change", { printer: printer.name, to: read() })) {
          docket.notice(say("saved"));
          close(true);
        }
      }), { class: "primary" });
      const remove = docket.button("remove", say("remove"), () => {
        docket.refill(sure, [draw("span", {}, say("removeSure")), yes]);
        yes.focus();
      }, { class: "danger" });
      const yes = docket.button("yes", say("yesRemove"), () => docket.doing(yes, async () => {
        if (await docket.ask("/api/printers/remove", { printer: printer.name })) {
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
    const printers = docket.state ? docket.state.printers : [];
    if (changing && !printers.some((printer) => printer.name === changing)) changing = null;
    docket.renew(cards, "li", printers.map((printer) => [printer.name, printer]), card);
  });
})();
