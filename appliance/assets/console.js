// Says so when the console no longer answers the parts of a page that refresh themselves, and takes it back when it does.
(function () {
  "use strict";
  function silent(is) {
    var banner = document.getElementById("console-silent");
    if (banner && banner.hidden === is) banner.hidden = !is;
  }
  document.addEventListener("htmx:sendError", function () { silent(true); });
  document.addEventListener("htmx:timeout", function () { silent(true); });
  document.addEventListener("htmx:responseError", function () { silent(true); });
  document.addEventListener("htmx:afterSwap", function () { silent(false); });
})();
