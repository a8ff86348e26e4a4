// Loaded in the head, before the page is drawn: the theme's colours depend on this attribute, and the theme sets it late.
(function (root) {
  if (root.dataset.theme === "auto") {
    root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
})(document.documentElement);

// The style sheet scales wide figures on a phone by the width that they were drawn with.
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll(".cell_output :is(img, canvas)").forEach(function (image) {
    function note() {
      var width = parseFloat(image.style.width) || Number(image.getAttribute("width")) || image.naturalWidth;
      image.style.setProperty("--drawn-width", width + "px");
    }
    image.complete === false ? image.addEventListener("load", note) : note(); // a canvas is complete as it is
  });
});

// What scrolls sideways inside its own box can be reached and scrolled by key; what does not is no stop of the tab key.
(function () {
  var wide = "pre, table, figure, .output, .cell_output, .explorer, mjx-container[display], .pst-scrollable-table-container";
  function mark() {
    document.querySelectorAll(".bd-article :is(" + wide + ")").forEach(function (part) {
      var scrolls = part.scrollWidth > part.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(part).overflowX);
      if (scrolls) { part.tabIndex = 0; } else { part.removeAttribute("tabindex"); }
    });
  }
  var waiting = null;
  function soon() { clearTimeout(waiting); waiting = setTimeout(mark, 100); }
  addEventListener("load", function () {
    if (window.MathJax && MathJax.startup && MathJax.startup.promise) { MathJax.startup.promise.then(soon); }
    soon();
  });
  addEventListener("resize", soon);
  addEventListener("toggle", soon, true);
})();

// Hints and solutions are printed.
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (part) { part.open = true; });
});
