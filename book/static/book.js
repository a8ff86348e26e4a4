// The style sheet scales wide figures on a phone by the width that they were drawn with.
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll(".cell_output img").forEach(function (image) {
    function note() {
      image.style.setProperty("--drawn-width", image.naturalWidth + "px");
    }
    image.complete ? note() : image.addEventListener("load", note);
  });
});
