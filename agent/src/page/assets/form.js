// The form of a printer: to add one and to change one.
"use strict";
(() => {
  const { draw, say } = docket;
  const KNOWN = ["front", "kitchen", "bar", "label"];
  let forms = 0;

  // Stations that a person can tick: the usual ones, and whatever this store has ever had.
  function stations(own) {
    const all = KNOWN.slice();
    const add = (station) => { if (all.indexOf(station) < 0) all.push(station); };
    for (const printer of docket.state ? docket.state.printers : []) printer.stations.forEach(add);
    for (const ticket of docket.tickets || []) if (ticket.station) add(ticket.station);
    own.forEach(add);
    return all;
  }

  function owner(station, but) {
    const printers = docket.state ? docket.state.printers : [];
    const found = printers.find((printer) => printer.name !== but && printer.stations.indexOf(station) >= 0);
    return found ? found.name : null;
  }

  // The first of the usual names that is free, with its station.
  docket.freeName = () => {
    const taken = (docket.state ? docket.state.printers : []).map((printer) => printer.name);
    const free = say("names").find(([name, station]) => taken.indexOf(name) < 0 && !owner(station, null));
    return free || ["", null];
  };

  function field(label, hint, ...controls) {
    return draw("fieldset", {}, draw("legend", {}, label, hint && draw("small", {}, ` ${hint}`)), ...controls);
  }

  // `given`: name, address, paper_mm, stations, default, backup; `was`: its name until now, or null.
  // `buttons(read)`: the buttons; `read()` gives what was filled in.
  docket.printerForm = (given, was, buttons) => {
    const prefix = `form${forms += 1}`;
    const name = draw("input", { id: `${prefix}-name`, "data-id": `${prefix}-name`, maxlength: "32", autocomplete: "off", "aria-label": say("name") });
    name.value = given.name;
    const address = draw("input", { id: `${prefix}-address`, maxlength: "512", autocomplete: "off", spellcheck: "false", "aria-label": say("address") });
    address.value = given.address;

    const boxes = stations(given.stations).map((station) => {
      const by = owner(station, was);
      const box = draw("input", { type: "checkbox", value: station });
      box.checked = !by && given.stations.indexOf(station) >= 0;
      box.disabled = Boolean(by);
      return [box, draw("label", { class: by ? "choice taken" : "choice" }, box, docket.stationName(station),
        by && draw("small", {}, ` ${say("takenBy", by)}`))];
    });
    const others = draw("input", { id: `${prefix}-others`, maxlength: "200", autocomplete: "off" });

    const names = say("names").map(([text, station]) =>
      docket.button(`${prefix}-is-${station}`, text, () => {
        name.value = text;
        for (const [box] of boxes) if (!box.disabled) box.checked = box.value === station;
      }, { class: "chip" }));

    const papers = [80, 58].map((mm) => {
      const radio = draw("input", { type: "radio", name: `${prefix}-paper`, value: String(mm) });
      radio.checked = given.paper_mm === mm;
      return [radio, draw("label", { class: "choice" }, radio, `${mm} mm`)];
    });

    const isDefault = draw("input", { type: "checkbox" });
    isDefault.checked = given.default;
    const backups = docket.state.printers.map((printer) => printer.name).filter((other) => other !== was);
    const backup = draw("select", { "aria-label": say("backup") },
      draw("option", { value: "" }, say("noBackup")),
      ...backups.map((other) => draw("option", { value: other }, other)));
    backup.value = given.backup || "";

    const read = () => ({
      name: name.value,
      address: address.value,
      paper_mm: Number((papers.find(([radio]) => radio.checked) || papers[0])[0].value),
      stations: boxes.filter(([box]) => box.checked).map(([box]) => box.value)
        .concat(others.value.split(/[,,、\s]+/).filter((station) => station)),
      default: isDefault.checked,
      backup: backup.value || null,
    });
    const form = draw("form", { class: "printer-form", onsubmit: (event) => event.preventDefault() },
      field(say("name"), say("nameHint"), draw("div", { class: "row" }, ...names, name)),
      field(say("stations"), say("stationsHint"),
        draw("div", { class: "row" }, ...boxes.map(([, label]) => label)),
        draw("label", { class: "line", for: `${prefix}-others` }, say("otherStations")), others,
        draw("label", { class: "choice wide" }, isDefault, say("isDefaultHint"))),
      draw("div", { class: "pair" },
        field(say("paper"), null, draw("div", { class: "row" }, ...papers.map(([, label]) => label))),
        backups.length > 0 && field(say("backup"), null, backup),
        field(say("address"), null, address)),
      draw("div", { class: "buttons" }, ...buttons(read)));
    return { form, name };
  };
})();
