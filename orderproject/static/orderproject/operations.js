// Keeps the operations page up to date while somebody looks at it. The server sends finished HTML; the stream ends
// when the tab is hidden, and opens again when it is shown.
"use strict";
(() => {
  const page = document.getElementById("operations");
  const asOf = document.getElementById("as-of");
  const trouble = document.getElementById("trouble");
  const RETRY = 3000, LONGEST_RETRY = 30000, SILENT = 15000;
  const STYLES = {
    second: { dateStyle: "medium", timeStyle: "medium" },
    minute: { hour: "2-digit", minute: "2-digit" },
    day: { weekday: "short", hour: "2-digit", minute: "2-digit" },
  };
  let source = null, retry = 0, wait = RETRY;
  let read = Date.now(), heard = read;  // when values came last, and when anything did

  function inTheViewersTime(place) {
    for (const time of place.querySelectorAll("time[data-as]")) {
      const at = new Date(time.dateTime);
      time.title = time.dateTime;
      time.textContent = new Intl.DateTimeFormat(undefined, STYLES[time.dataset.as]).format(at);
    }
  }

  function put(id, html) {
    const place = document.getElementById(id);
    place.innerHTML = html;
    inTheViewersTime(place);
  }

  function state(name, text) {
    page.dataset.state = name;
    if (trouble.textContent !== text) trouble.textContent = text;
  }

  function age() {
    asOf.textContent = `as of ${Math.round((Date.now() - read) / 1000)} s ago`;
    if (source && Date.now() - heard > SILENT) again();
  }

  function again() {
    close();
    state("away", "The live stream is interrupted. The page keeps trying; reload it if you were signed out.");
    retry = setTimeout(open, wait);
    wait = Math.min(2 * wait, LONGEST_RETRY);
  }

  function close() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  function open() {
    close();
    if (document.hidden) return;
    heard = Date.now();
    source = new EventSource(page.dataset.stream);
    source.addEventListener("now", (event) => {
      read = heard = Date.now();
      wait = RETRY;
      put("now", JSON.parse(event.data));
      state("live", "");
      age();
    });
    source.addEventListener("charts", (event) => put("charts", JSON.parse(event.data)));
    source.addEventListener("away", (event) => {
      heard = Date.now();
      state("away", JSON.parse(event.data));
    });
    source.onerror = again;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      state("hidden", "");
    } else {
      open();
    }
  });
  inTheViewersTime(page);
  setInterval(age, 1000);
  open();
})();
