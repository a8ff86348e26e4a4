// The search page: rank sections and terms, show where the words stand, and mark them on arrival.
document.addEventListener("DOMContentLoaded", function () {
  var field = document.querySelector(".bd-search-container input[type=search]");
  var place = document.getElementById("search-results");
  var index = new MiniSearch({
    fields: ["term", "title", "page", "text"],
    storeFields: ["page", "title", "text", "url", "term"],
    searchOptions: { boost: { term: 8, title: 4, page: 2 }, prefix: true, fuzzy: 0.1, combineWith: "AND",
      // A chapter and a term explain, the package's pages and the other appendices list: what explains comes first.
      boostDocument: function (id, term, stored) {
        if (stored.url.includes("appendices/api")) return 0.3;
        if (stored.url.includes("appendices/") && !stored.url.includes("#term-")) return 0.2;
        return 1;
      },
    },
  });
  index.addAll(window.SECTIONS);

  // The stretch of a text with the most of the words found in it, those words marked.
  function excerpt(text, terms) {
    var found = new RegExp("(" + terms.map(function (term) {
      return term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    }).join("|") + ")", "giu");
    var at = text.search(found), from = Math.max(0, at - 80);
    var cut = (from > 0 ? "… " : "") + text.slice(from, from + 220) + (from + 220 < text.length ? " …" : "");
    var shown = document.createElement("p");
    cut.split(found).forEach(function (piece, number) {
      var part = document.createElement(number % 2 ? "mark" : "span");
      part.textContent = piece;
      shown.append(part);
    });
    return shown;
  }

  function show() {
    var wanted = field.value.trim(), hits = wanted ? index.search(wanted).slice(0, 30) : [];
    place.replaceChildren();
    if (!wanted) { return; }
    var said = document.createElement("p");
    said.setAttribute("role", "status");
    var count = hits.length === 30 ? "The 30 best places" : hits.length === 1 ? "1 place" : hits.length + " places";
    said.textContent = (hits.length ? count : "Nothing found") + " for “" + wanted + "”";
    var list = document.createElement("ol");
    hits.forEach(function (hit) {
      var item = document.createElement("li"), link = document.createElement("a"), parts = hit.url.split("#");
      link.href = parts[0] + "?highlight=" + encodeURIComponent(hit.terms.join(" ")) + (parts[1] ? "#" + parts[1] : "");
      link.textContent = hit.title;
      var where = document.createElement("span");
      where.className = "where";
      where.textContent = hit.term ? " · definition" : hit.title === hit.page ? "" : " · " + hit.page;
      item.append(link, where, excerpt(hit.text, hit.terms));
      list.append(item);
    });
    place.append(said, list);
  }

  field.value = new URLSearchParams(location.search).get("q") || "";
  field.addEventListener("input", show);
  field.form.addEventListener("submit", function (event) {
    event.preventDefault();
    history.replaceState(null, "", "?q=" + encodeURIComponent(field.value));
    show();
  });
  show();
});
