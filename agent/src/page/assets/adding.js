// Adding a printer: find it, tell it from others by the number that it prints, name it. Three presses at least: add,
// use this one, add and test.
"use strict";
(() => {
  const { draw, say } = docket;
  const section = document.getElementById("adding");
  let step = "closed"; // closed, finding, naming
  let drawn = null;

  docket.openAdding = () => {
    step = "finding";
    show();
    docket.ask("/api/search");
    section.querySelector("h2").focus();
    section.scrollIntoView(true);
  };

  function close() {
    step = "closed";
    show();
    docket.adderButton.focus();
  }

  function head(text) {
    return draw("div", { class: "head" }, draw("h2", { tabindex: "-1" }, text),
      docket.button("close", say("close"), close, {}));
  }

  // ---- finding ----

  function found(element, printer) {
    element.className = "found";
    const usedBy = docket.state && docket.state.printers.find((other) => other.address === printer.address);
    const about = docket.pick(printer.about);
    const print = docket.button(`number-${printer.address}`, say("printNumber"), () => docket.doing(print, async () => {
      if (await docket.ask("/api/search/number", { address: printer.address })) {
        docket.notice(say("sentNumber", String(printer.number)));
      }
    }), { "aria-label": `${say("printNumber")}: ${printer.number}` });
    docket.refill(element, [
      draw("span", { class: "big" }, String(printer.number)),
      draw("div", { class: "what" }, draw("strong", {}, printer.label || printer.address),
        draw("p", { class: "hint" }, [printer.label && printer.label !== printer.address ? printer.address : "", printer.detail, about].filter(Boolean).join(" · "))),
      usedBy
        ? draw("p", { class: "hint" }, `${say("alreadyAs")} ${usedBy.name}`)
        : draw("div", { class: "buttons" }, print,
          docket.button(`use-${printer.address}`, say("useThis"), () => name(printer.address),
            { class: "primary", "aria-label": `${say("useThis")}: ${printer.number}` })),
    ]);
  }

  function finding() {
    const list = draw("ul", { class: "finds" });
    const says = draw("p", { class: "hint", role: "status" });
    const again = docket.button("again", "", () => docket.ask("/api/search"), {});
    const address = draw("input", { id: "manual", "data-id": "manual", maxlength: "512", autocomplete: "off", spellcheck: "false", placeholder: say("manualHint") });
    const use = () => { if (address.value.trim()) name(address.value.trim()); else address.focus(); };
    const manual = draw("form", { class: "manual", onsubmit: (event) => { event.preventDefault(); use(); } },
      draw("label", { for: "manual" }, say("manual")), address, docket.button("use", say("useAddress"), use, {}));
    docket.refill(section, [head(say("find")), says, list, draw("div", { class: "buttons" }, again), manual]);
    return () => {
      const search = docket.search || { running: true, printers: [] };
      again.textContent = say("findAgain");
      again.disabled = search.running;
      const text = search.running ? say("finding") : say(search.printers.length ? "foundSome" : "foundNone");
      if (says.textContent !== text) says.textContent = text;
      const used = docket.state ? docket.state.printers.map((printer) => [printer.address, printer.name]) : [];
      docket.renew(list, "li", search.printers.map((printer) => [printer.address, Object.assign({ used }, printer)]), found);
    };
  }

  // ---- naming ----

  function name(address) {
    step = "naming";
    const [free, station] = docket.freeName();
    const given = { name: free, address, paper_mm: 80, stations: station ? [station] : [], default: false, backup: null };
    const made = docket.printerForm(given, null, (read) => {
      const add = docket.button("do-add", say("addAndTest"), () => docket.doing(add, async () => {
        const printer = read();
        if (!(await docket.ask("/api/printers/add", printer))) return;
        docket.notice(say("added", printer.name));
        close();
        if (await docket.ask("/api/printers/test", { printer: printer.name.trim() })) {
          docket.notice(say("sentTest", printer.name));
        }
      }), { class: "primary" });
      return [add, docket.button("back", say("cancel"), () => { step = "finding"; show(); }, {})];
    });
    docket.refill(section, [head(`${say("newPrinter")} · ${address}`), made.form]);
    drawn = { step, language: docket.language, renew: () => {} };
    made.name.focus();
  }

  function show() {
    section.hidden = step === "closed";
    if (step === "closed") {
      docket.refill(section, []);
      drawn = null;
    } else if (step === "finding") {
      if (!drawn || drawn.step !== step || drawn.language !== docket.language) {
        drawn = { step, language: docket.language, renew: finding() };
      }
      drawn.renew();
    }
  }

  docket.onChange(show);
})();
