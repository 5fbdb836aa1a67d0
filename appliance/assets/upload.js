// A bundle goes to the console by tus 1.0.0, in pieces that suit the speed of the line. What was interrupted continues where the host says, also
// after a reload, once the same file is chosen. Words are in the page.
(function () {
  "use strict";
  var MIB = 1048576;
  var LEAST = MIB / 4, MOST = 16 * MIB;
  // The console answers a request within 40 seconds, so a piece takes much less.
  var QUICK = 2, SLOW = 8;
  var card = document.getElementById("upload");
  var chooser = document.getElementById("bundle");
  if (!card || !chooser) return;
  var words = card.dataset;
  var button = document.getElementById("upload-begin");
  var pause = document.getElementById("upload-pause");
  var bar = document.getElementById("upload-bar");
  var error = document.getElementById("upload-error");
  // The upload of this page: none before a person begins one.
  var work = null;

  function part(id) { return document.getElementById("upload-" + id); }
  function say(text) { part("said").textContent = text; }

  function bytes(count) {
    var units = ["B", "KiB", "MiB", "GiB", "TiB"], unit = 0;
    while (count >= 1024 && unit + 1 < units.length) { count /= 1024; unit += 1; }
    return (unit === 0 || count >= 100 ? Math.floor(count) : count.toFixed(1)) + " " + units[unit];
  }

  function time(seconds) {
    if (seconds < 60) return Math.ceil(seconds) + " s";
    var minutes = Math.ceil(seconds / 60);
    return minutes < 60 ? minutes + " min" : Math.floor(minutes / 60) + " h " + minutes % 60 + " min";
  }

  function show() {
    var size = work.bundle.blob.size;
    part("progress").max = size;
    part("progress").value = work.offset;
    part("amount").textContent = words.amount.replace("{done}", bytes(work.offset)).replace("{size}", bytes(size));
    var left = work.rate ? (size - work.offset) / work.rate : 0;
    part("rate").textContent = work.rate && work.runs
      ? words.rate.replace("{rate}", bytes(work.rate)).replace("{left}", time(left)) : "";
  }

  // A bundle that is one file, or its parts behind each other in the order of their names.
  function chosen() {
    var files = Array.from(chooser.files).sort(function (one, other) { return one.name < other.name ? -1 : 1; });
    if (files.length < 2) return files.length === 0 ? null : { name: files[0].name, blob: files[0] };
    return { name: files[0].name.replace(/\.001$/, ""), blob: new Blob(files) };
  }

  function encoded(name) {
    var octets = Array.from(new TextEncoder().encode(name), function (octet) { return String.fromCharCode(octet); });
    return btoa(octets.join(""));
  }

  function request(method, place, more, body) {
    work.control = new AbortController();
    var headers = Object.assign({ "Tus-Resumable": "1.0.0", "X-CSRF-Token": words.csrf }, more);
    var asked = { method: method, headers: headers, body: body, signal: work.control.signal, cache: "no-store", redirect: "error" };
    return fetch(place, asked);
  }

  function offsetOf(answer) { return Number(answer.headers.get("Upload-Offset")); }

  function create() {
    var more = { "Upload-Length": String(work.bundle.blob.size), "Upload-Metadata": "filename " + encoded(work.bundle.name) };
    return request("POST", words.uploads, more).then(function (answer) {
      if (answer.status === 409) return adopt(answer);
      if (answer.status !== 201) return refused(answer);
      work.place = answer.headers.get("Location");
      work.knows = true;
    });
  }

  // Another upload is there. If it is of this very file, as when an answer was lost, it is continued.
  function adopt(answer) {
    return request("GET", words.uploads, {}).then(function (found) { return found.json(); }).then(function (page) {
      var upload = page.upload, bundle = work.bundle;
      if (!upload || upload.name !== bundle.name || upload.sizeBytes !== bundle.blob.size) return refused(answer);
      work.place = words.uploads + "/" + upload.id;
    });
  }

  // Where to continue. One that is gone was removed, or refused.
  function ask() {
    return request("HEAD", work.place, {}).then(function (answer) {
      if (answer.status === 404) return stop(words.gone, false);
      // The reason is in a body, which an answer to HEAD does not have.
      if (answer.status !== 200) return request("GET", work.place, {}).then(refused);
      work.offset = offsetOf(answer);
      work.knows = true;
      say(words.runs);
    });
  }

  function send() {
    var begun = performance.now(), piece = work.bundle.blob.slice(work.offset, work.offset + work.piece);
    var more = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(work.offset) };
    return request("PATCH", work.place, more, piece).then(function (answer) {
      if (answer.status !== 204) return refused(answer);
      var took = Math.max((performance.now() - begun) / 1000, 0.001);
      work.rate = work.rate ? work.rate * 0.7 + piece.size / took * 0.3 : piece.size / took;
      if (took < QUICK) work.piece = Math.min(work.piece * 2, MOST);
      if (took > SLOW) work.piece = Math.max(work.piece / 2, LEAST);
      work.offset = offsetOf(answer);
      work.failures = 0;
    });
  }

  // All of it is there. It is whole once the host has checked it; an empty piece has the host check it again.
  function finish() {
    say(words.checks);
    return request("GET", work.place, {}).then(function (answer) {
      if (answer.status !== 200) return refused(answer);
      return answer.json().then(function (upload) {
        if (!upload.medium) return send();
        work.runs = false;
        window.location.assign(words.home);
      });
    });
  }

  // What passes by itself is tried again; everything else ends the upload, with what a person can do.
  function refused(answer) {
    if ([409, 423, 502, 503, 504].includes(answer.status) && work.place) throw new Error("again");
    return answer.json().then(function (problem) {
      part("title").textContent = problem.title;
      part("detail").textContent = [problem.detail, problem.hint].filter(Boolean).join(". ");
      part("code").textContent = problem.code || "";
      error.hidden = false;
      stop("", Boolean(work.place) && answer.status !== 422 && answer.status !== 404);
    });
  }

  // The upload of this page ends; the host may still have what has arrived of it.
  function stop(text, isKept) {
    work.runs = false;
    words.name = isKept ? work.bundle.name : "";
    words.size = isKept ? work.bundle.blob.size : "";
    words.id = isKept ? work.place.split("/").pop() : "";
    say(text);
    pause.hidden = true;
    chooser.disabled = false;
    ready();
    show();
  }

  function proceed() {
    if (!work.runs) return;
    var current = work;
    var step = !work.place ? create : !work.knows ? ask : work.offset < work.bundle.blob.size ? send : finish;
    step().catch(function () {
      // A person paused it, or the line or the console is away.
      if (!current.runs) return;
      current.knows = false;
      current.failures += 1;
      current.piece = Math.max(current.piece / 2, LEAST);
      say(words.waits);
      return new Promise(function (done) { setTimeout(done, Math.min(30, Math.pow(2, current.failures)) * 1000); });
    }).then(function () {
      if (work !== current) return;
      show();
      proceed();
    });
  }

  function ready() {
    var bundle = chosen();
    button.disabled = !bundle;
    var isKnown = Boolean(bundle && words.id) && words.name === bundle.name && Number(words.size) === bundle.blob.size;
    button.textContent = isKnown ? words.continue : words.begin;
    return isKnown;
  }

  function begin() {
    var isKnown = ready(), bundle = chosen();
    if (!bundle) return;
    var place = isKnown ? words.uploads + "/" + words.id : null;
    work = { bundle: bundle, place: place, knows: false, offset: 0, piece: MIB, failures: 0, rate: 0, runs: true };
    error.hidden = true;
    bar.hidden = false;
    pause.hidden = false;
    pause.textContent = words.pause;
    button.disabled = true;
    chooser.disabled = true;
    say(words.runs);
    show();
    proceed();
  }

  function turn() {
    work.runs = !work.runs;
    pause.textContent = work.runs ? words.pause : words.continue;
    say(work.runs ? words.runs : words.paused);
    if (work.runs) {
      // A step that is still on its way belongs to the time before the pause.
      work = Object.assign({}, work, { knows: false });
      proceed();
    } else {
      work.control.abort();
    }
    show();
  }

  part("form").hidden = false;
  chooser.addEventListener("change", ready);
  button.addEventListener("click", begin);
  pause.addEventListener("click", turn);
  ready();
})();
