// Loaded in the head, before the page is drawn: the theme's colours depend on this attribute, and the theme sets it late.
(function (root) {
  if (root.dataset.theme === "auto") {
    root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
})(document.documentElement);

// The style sheet scales wide figures on a phone by the width that they were drawn with.
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll(".cell_output img").forEach(function (image) {
    function note() {
      var width = parseFloat(image.style.width) || Number(image.getAttribute("width")) || image.naturalWidth;
      image.style.setProperty("--drawn-width", width + "px");
    }
    image.complete ? note() : image.addEventListener("load", note);
  });
});

// Hints and solutions are printed.
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (part) { part.open = true; });
});
