// Hears the agent, and says so when it does not.
//
// The page trusts nothing that is old. Without a word for QUIET_MS_MAX, a stream that is broken for BROKEN_MS_MAX, or a
// state that is older than STATE_MS_MAX by the agent's own clock, and everything loses its colour. Ages are counted here,
// by the agent's clock, so that they go on when nothing happens.
"use strict";
(() => {
  const QUIET_MS_MAX = 6000;
  const BROKEN_MS_MAX = 1500;
  const STATE_MS_MAX = 45000;
  const RECONNECT_MS = 2000;
  const TICK_MS = 500;
  const AHEAD_MS_MAX = 5000;

  const root = document.documentElement;
  const listeners = [];
  let source = null;
  let beat = null; // what the agent last said: now, taken, build
  let heard = 0; // when, by performance.now()
  let broken = 0; // since when the stream is broken; 0 is not
  let offset = 0; // the agent's clock less performance.now()
  let left = null; // why the agent has ended the stream

  docket.state = null;
  docket.tickets = null;
  docket.search = null;
  // Who draws something when anything has changed.
  docket.onChange = (listener) => listeners.push(listener);
  docket.now = () => performance.now() + offset;

  docket.drawAll = () => {
    root.lang = docket.language === "en" ? "en" : "zh-CN";
    for (const listener of listeners) listener();
    tick();
  };

  function connect() {
    source = new EventSource("/api/events");
    source.addEventListener("beat", (event) => hear(JSON.parse(event.data)));
    for (const part of ["state", "tickets", "search"]) {
      source.addEventListener(part, (event) => {
        docket[part] = JSON.parse(event.data);
        docket.drawAll();
      });
    }
    source.addEventListener("left", (event) => { left = JSON.parse(event.data); tick(); });
    source.addEventListener("open", () => { broken = 0; });
    source.addEventListener("error", () => {
      if (!broken) broken = performance.now();
      // The browser tries again by itself, unless the agent has answered with something else than a stream.
      if (source.readyState === EventSource.CLOSED) {
        source.close();
        setTimeout(connect, RECONNECT_MS);
      }
    });
  }

  function hear(said) {
    if (beat && beat.build !== said.build) location.reload();
    beat = said;
    left = null;
    heard = performance.now();
    broken = 0;
    offset = said.now - heard;
    tick();
  }

  // ---- what may be believed ----

  // "" or why not.
  docket.staleness = () => {
    const now = performance.now();
    if (left) return "left";
    if (!beat || now - heard > QUIET_MS_MAX || (broken && now - broken > BROKEN_MS_MAX)) return beat ? "stale" : "reading";
    if (!docket.state || !beat.taken) return "reading";
    if (docket.now() - beat.taken > STATE_MS_MAX) return "stuck";
    return "";
  };
  docket.staleWords = () => (left ? docket.pick(left) : docket.say(docket.staleness()));
  docket.lastAt = () => (beat && beat.taken ? docket.clock(beat.taken) : "—");

  let told = null;
  function tick() {
    const stale = docket.staleness();
    root.classList.toggle("stale", stale !== "");
    if (stale !== told) {
      told = stale;
      for (const listener of listeners) listener();
    }
    fill();
    if (beat) document.getElementById("clock").textContent = docket.clock(docket.now());
  }

  // ---- times ----

  function length(ms) {
    const s = Math.floor(ms / 1000);
    const [day, hour, minute, second] = docket.say("units");
    const two = (a, unitA, b, unitB) => (b ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`);
    if (s < 60) return `${s} ${second}`;
    if (s < 600) return two(Math.floor(s / 60), minute, s % 60, second);
    if (s < 3600) return `${Math.floor(s / 60)} ${minute}`;
    if (s < 86400) return two(Math.floor(s / 3600), hour, Math.floor(s / 60) % 60, minute);
    return two(Math.floor(s / 86400), day, Math.floor(s / 3600) % 24, hour);
  }

  function fill() {
    const now = docket.now();
    for (const age of document.querySelectorAll("time.age")) {
      const ms = now - Number(age.dataset.at);
      const shown = length(Math.max(0, ms));
      let text = age.dataset.form === "ago" ? shown + docket.say("ago") : docket.say("since") + shown;
      if (ms < -AHEAD_MS_MAX) text = docket.say("clockAhead");
      if (age.textContent !== text) age.textContent = text;
    }
  }

  // The store's time: UTC+8, whatever the zone of this PC.
  docket.clock = (ms) => new Date(ms + 8 * 3600000).toISOString().slice(11, 19);

  docket.start = () => {
    docket.drawAll();
    connect();
    setInterval(tick, TICK_MS);
    // Timers of hidden pages are slowed down.
    document.addEventListener("visibilitychange", tick);
    addEventListener("pageshow", tick);
  };
})();
