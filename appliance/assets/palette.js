// A list of all pages, which Ctrl+K opens and typing searches. Names and words come from the page.
(function () {
  "use strict";
  var dialog = document.getElementById("palette");
  if (!dialog || !dialog.showModal) return;
  var query = document.getElementById("palette-query");
  var none = document.getElementById("palette-none");
  var opener = document.getElementById("palette-open");
  var goals = Array.from(dialog.querySelectorAll("[role=option]"));
  var chosen = null;
  function visible() {
    return goals.filter(function (goal) { return !goal.hidden; });
  }
  function choose(goal) {
    chosen = goal || null;
    goals.forEach(function (one) { one.setAttribute("aria-selected", String(one === chosen)); });
    if (!chosen) return query.removeAttribute("aria-activedescendant");
    query.setAttribute("aria-activedescendant", chosen.id);
    chosen.scrollIntoView({ block: "nearest" });
  }
  // Every part of what was typed must be in the name or in the words of a page; a name that begins with it comes first.
  function search() {
    var text = query.value.trim().toLowerCase();
    goals.forEach(function (goal) {
      var words = (goal.textContent + " " + goal.dataset.words).toLowerCase();
      goal.hidden = !text.split(/\s+/).every(function (part) { return words.includes(part); });
    });
    var found = visible();
    none.hidden = found.length > 0;
    choose(found.find(function (goal) { return goal.textContent.toLowerCase().startsWith(text); }) || found[0]);
  }
  function open() {
    query.value = "";
    dialog.showModal();
    query.focus();
    search();
  }
  function move(steps) {
    var found = visible();
    if (found.length === 0) return;
    choose(found[(found.indexOf(chosen) + steps + found.length) % found.length]);
  }
  function go(goal) {
    if (goal) window.location.assign(goal.dataset.path);
  }
  opener.hidden = false;
  opener.addEventListener("click", open);
  document.addEventListener("keydown", function (event) {
    var isShortcut = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    if (!isShortcut || !event.key || event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });
  query.addEventListener("input", search);
  query.addEventListener("keydown", function (event) {
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter") go(chosen);
    else return;
    event.preventDefault();
  });
  // A click on the backdrop has the dialog as its target, as one on the dialog's padding has.
  function isOutside(event) {
    var box = dialog.getBoundingClientRect();
    return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
  }
  dialog.addEventListener("click", function (event) {
    if (event.target === dialog && isOutside(event)) dialog.close();
    else go(event.target.closest("[role=option]"));
  });
})();
