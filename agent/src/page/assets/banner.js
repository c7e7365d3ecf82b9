// The head of the page: the store, its link, and what is wrong, the worst first.
"use strict";
(() => {
  const { draw, say } = docket;
  const banner = document.getElementById("banner");
  let shown = "";

  function head() {
    const state = docket.state;
    const store = state && state.store ? `${state.store_name || state.store}` : "Docket";
    document.getElementById("store").textContent = store;
    const link = document.getElementById("link");
    const key = !state || state.link === "connecting" ? "connecting" : state.link === "live" ? "linked" : "unlinked";
    const light = docket.staleness() ? "unknown" : key === "linked" ? "green" : key === "connecting" ? "unknown" : "red";
    const way = key === "linked" && !docket.staleness() && state.way;
    docket.refill(link, [docket.light(light, docket.say(key)), way && draw("span", { class: "way" }, ` ${wayWords(way)}`)]);
    const stops = state ? state.troubles.filter((trouble) => trouble.level === "stop").length : 0;
    const mark = docket.staleness() ? "? " : stops ? `(${stops}!) ` : "";
    document.title = `${mark}${docket.say("title")} · ${store}`;
  }

  function wayWords(way) {
    const transport = way.transport === "quic" ? "QUIC" : docket.say(way.proxied ? "tcpProxied" : "tcp");
    return way.rtt_ms === null ? transport : `${transport} ${way.rtt_ms} ms`;
  }

  function languages() {
    docket.refill(document.getElementById("languages"), docket.languages.map(([code, tag, name]) =>
      docket.button(`language-${code}`, name, () => { docket.setLanguage(code); docket.drawAll(); },
        { lang: tag, "aria-pressed": String(code === docket.language) })));
  }

  function line(trouble, worst) {
    return draw("p", { class: `${worst ? "worst" : "more"} ${trouble.level}` },
      draw("span", { class: "sign", "aria-hidden": "true" }),
      draw("span", {},
        trouble.printer && draw("strong", {}, `${trouble.printer} `),
        docket.pick(trouble),
        trouble.since && " ",
        trouble.since && docket.age(trouble.since, "since")));
  }

  function words() {
    const stale = docket.staleness();
    if (stale) {
      const more = stale === "reading" || stale === "left" ? null : `${docket.say("staleMore")} · ${docket.say("lastAt")}${docket.lastAt()}`;
      return ["unknown", [
        draw("p", { class: "worst" }, draw("span", { class: "sign", "aria-hidden": "true" }),
          draw("span", {}, docket.staleWords())),
        more && draw("p", { class: "more" }, more)]];
    }
    const troubles = docket.state.troubles;
    if (troubles.length === 0) {
      // A printer that nobody knows of is not well.
      const unknown = docket.state.printers.some((printer) => printer.light === "unknown");
      if (unknown) return ["unknown", [draw("p", { class: "worst" }, draw("span", { class: "sign", "aria-hidden": "true" }),
        draw("span", {}, docket.say("someUnknown")))]];
      return ["well", [draw("p", { class: "worst" }, draw("span", { class: "sign", "aria-hidden": "true" }),
        draw("span", {}, docket.say("well"))), draw("p", { class: "more" }, docket.say("wellMore"))]];
    }
    return [troubles[0].level, troubles.map((trouble, place) => line(trouble, place === 0))];
  }

  function show() {
    head();
    const stale = docket.staleness();
    // Drawn anew only when it says something else: a live region reads itself out each time.
    const text = JSON.stringify([docket.language, stale, stale ? docket.lastAt() : docket.state.troubles,
      docket.state && docket.state.printers.map((printer) => printer.light)]);
    if (text === shown) return;
    shown = text;
    languages();
    const [level, children] = words();
    banner.className = `banner ${level}`;
    docket.refill(banner, children);
  }

  // The PIN for other devices; nobody else than this PC is told, and most stores have none.
  let pin = null;
  fetch("/api/pin", { credentials: "same-origin" }).then((reply) => (reply.ok ? reply.json() : {})).then((told) => {
    pin = told.pin || null;
    foot();
  }).catch(() => {});

  function foot() {
    const about = document.getElementById("about");
    const version = docket.state ? ` ${docket.state.version} · ${docket.state.agent}` : "";
    docket.refill(about, [`Docket ${say("about")}${version}`,
      pin && draw("span", {}, ` · ${say("others", location.port || "80")}`, draw("strong", {}, pin))]);
  }

  docket.onChange(() => {
    show();
    foot();
  });
})();
