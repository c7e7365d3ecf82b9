// Keeps the page up to date, and says so when it cannot.
//
// The page trusts nothing that is old: without a word from the hub for QUIET_MS_MAX, or with a last snapshot that
// is older than TAKEN_MS_MAX by the hub's own clock, all lights go grey and a banner says why. Ages are counted
// here, by the hub's clock, so that they go on when nothing happens.
"use strict";
(() => {
  const QUIET_MS_MAX = 10_000;
  const TAKEN_MS_MAX = 12_000;
  const RECONNECT_MS = 3_000;
  const TICK_MS = 500;

  const root = document.documentElement;
  const banner = document.getElementById("banner");
  const clock = document.getElementById("clock");
  const address = document.body.dataset.events;
  if (!banner || !clock || !address) return;
  const chinese = root.lang.startsWith("zh");

  let source = null; // the EventSource
  let beat = null; // what the hub last said: now, taken, trouble, build
  let heard = 0; // when it did, by performance.now()
  let offset = 0; // hub's clock minus performance.now(), ms
  let refused = false; // the last attempt was answered, with something else than a stream
  const sources = new WeakMap(); // element → its HTML as it came, before ages were filled in

  const hubNow = () => performance.now() + offset;

  // ---- the stream ----

  function connect() {
    source = new EventSource(address);
    source.addEventListener("beat", (event) => hear(JSON.parse(event.data)));
    for (const section of document.querySelectorAll("main > section[id]")) {
      source.addEventListener(section.id, (event) => show(section, event.data));
    }
    source.addEventListener("open", () => { refused = false; });
    source.addEventListener("error", () => {
      // The browser tries again by itself unless the hub has answered with something else than a stream.
      if (source.readyState === EventSource.CLOSED) {
        refused = true;
        source.close();
        setTimeout(connect, RECONNECT_MS);
      }
      judge();
    });
  }

  function hear(said) {
    if (beat && beat.build !== said.build) location.reload();
    beat = said;
    heard = performance.now();
    offset = said.now - heard;
    tick();
  }

  function show(section, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    update(section, template.content);
    const title = section.querySelector("[data-title]");
    if (title) document.title = title.dataset.title;
    fill(section);
  }

  // Makes the children of `was` those of `will`, and leaves alone what is the same.
  function update(was, will) {
    const former = new Map();
    for (const child of was.children) former.set(child.dataset.key, child);
    let previous = null;
    for (const child of [...will.children]) {
      const key = child.dataset.key;
      let kept = former.get(key);
      former.delete(key);
      if (kept && "keyed" in kept.dataset && "keyed" in child.dataset) {
        update(kept, child);
      } else {
        const html = child.outerHTML;
        if (!kept || sources.get(kept) !== html) {
          sources.set(child, html);
          if (kept) kept.replaceWith(child);
          kept = child;
        }
      }
      const place = previous ? previous.nextElementSibling : was.firstElementChild;
      if (kept !== place) was.insertBefore(kept, place);
      previous = kept;
    }
    for (const gone of former.values()) gone.remove();
  }

  // ---- ages and the clock ----

  function length(ms) {
    const s = Math.floor(ms / 1000);
    const [day, hour, minute, second] = chinese ? ["天", "小时", "分", "秒"] : ["d", "h", "min", "s"];
    const two = (a, unitA, b, unitB) => b ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`;
    if (s < 60) return `${s} ${second}`;
    if (s < 600) return two(Math.floor(s / 60), minute, s % 60, second);
    if (s < 3600) return `${Math.floor(s / 60)} ${minute}`;
    if (s < 86400) return two(Math.floor(s / 3600), hour, Math.floor(s / 60) % 60, minute);
    return two(Math.floor(s / 86400), day, Math.floor(s / 3600) % 24, hour);
  }

  // A few seconds ahead is the way between two clocks; more is a clock that is wrong.
  const AHEAD_MS_MAX = 5_000;

  function fill(within) {
    const now = hubNow();
    for (const age of within.querySelectorAll("time.age")) {
      const ms = now - Number(age.dataset.at);
      let text;
      if (ms < -AHEAD_MS_MAX) {
        text = chinese ? `时钟快 ${length(-ms)}` : `clock ahead by ${length(-ms)}`;
      } else {
        const shown = length(Math.max(0, ms));
        if (age.dataset.form === "ago") text = chinese ? `${shown}前` : `${shown} ago`;
        else text = chinese ? `已 ${shown}` : `for ${shown}`;
      }
      if (age.textContent !== text) age.textContent = text;
    }
  }

  // UTC+8 whatever the zone of this PC.
  function time(ms) {
    return new Date(ms + 8 * 3_600_000).toISOString().slice(11, 19);
  }

  // ---- what may be believed ----

  function judge() {
    let words = "";
    const last = () => (beat && beat.taken ? time(beat.taken) : banner.dataset.never);
    if (!beat || performance.now() - heard > QUIET_MS_MAX) {
      if (refused) words = banner.dataset.full + last();
      else if (beat || performance.now() > QUIET_MS_MAX) words = banner.dataset.lost + last();
      else return; // it has only just begun, and says so already
    } else if (beat.trouble) {
      words = banner.dataset.trouble + beat.trouble;
    } else if (!beat.taken || hubNow() - beat.taken > TAKEN_MS_MAX) {
      // A first beat can come before the first frame.
      if (!beat.taken && root.classList.contains("stale")) return;
      words = banner.dataset.trouble + last();
    } else if (source && source.readyState !== EventSource.OPEN) {
      words = banner.dataset.lost + last();
    }
    root.classList.toggle("stale", words !== "");
    if (banner.textContent !== words) banner.textContent = words;
  }

  function tick() {
    if (beat) {
      clock.textContent = time(hubNow());
      fill(document);
    }
    judge();
  }

  connect();
  setInterval(tick, TICK_MS);
  // Timers of hidden pages are slowed down.
  document.addEventListener("visibilitychange", tick);
  addEventListener("pageshow", tick);
})();
