// Parts of a page refresh themselves. This keeps what a reader opened open, and says so when the console no longer answers.
(function () {
  "use strict";
  var open = [];
  // While a change runs, the console's own pod may be replaced: that is no fault.
  function silent(is) {
    var changes = document.querySelector("[data-change]") !== null;
    show("console-replaced", is && changes);
    show("console-silent", is && !changes);
  }
  function show(id, is) {
    var banner = document.getElementById(id);
    if (banner) banner.hidden = !is;
  }
  function failed() { silent(true); }
  // While an operation runs, a stream says that there is news, and the page asks for its live part. While the stream is cut, the page asks
  // by itself. A page that nobody sees holds no connection: a browser has few for all its tabs.
  var stream = null;
  function running() { return document.querySelector("#live[data-running]"); }
  function ask() {
    var live = running();
    if (live) htmx.trigger(live, "news");
  }
  function leave() {
    if (stream) stream.close();
    stream = null;
  }
  function listen() {
    if (document.hidden || !running()) leave();
    else if (!stream) {
      stream = new EventSource("/live/news");
      stream.addEventListener("news", ask);
    }
  }
  function listens() { return stream !== null && stream.readyState === EventSource.OPEN; }
  document.addEventListener("visibilitychange", listen);
  window.addEventListener("pagehide", leave);
  setInterval(function () { if (!listens()) ask(); }, 2000);
  // A stream that was refused does not come back by itself.
  setInterval(function () {
    if (stream && stream.readyState === EventSource.CLOSED) leave();
    listen();
  }, 5000);
  listen();
  // On a phone the navigation is a strip that scrolls.
  var here = document.querySelector("nav [aria-current]");
  if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
  // A file that is chosen is shown as text, so that a person sees what is sent.
  document.querySelectorAll("[data-file]").forEach(function (field) {
    field.hidden = false;
    var chooser = field.querySelector("[data-into]");
    chooser.addEventListener("change", function () {
      if (!chooser.files[0]) return;
      chooser.files[0].text().then(function (text) {
        document.getElementById(chooser.dataset.into).value = text;
      });
    });
  });
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:timeout", failed);
  document.addEventListener("htmx:responseError", failed);
  // The notice is part of the whole page, and ends with the silence.
  document.addEventListener("htmx:afterRequest", function (event) {
    var answer = event.detail.xhr;
    if (answer && answer.getResponseHeader("x-host-answers") === "true") show("host-silent", false);
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    open = Array.from(event.target.querySelectorAll("details[open][id]"), function (part) { return part.id; });
  });
  document.addEventListener("htmx:afterSwap", function () {
    silent(false);
    listen();
    open.forEach(function (id) {
      var part = document.getElementById(id);
      if (part) part.open = true;
    });
  });
})();
