(function () {
  "use strict";
  const part = (id) => document.getElementById(id);
  const graph = flameGraph(
    {
      view: part("view"),
      tall: part("tall"),
      canvas: part("flame"),
      details: part("details"),
      search: part("search"),
      found: part("found"),
    },
    JSON.parse(part("data").textContent),
  );
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") graph.reset();
    if (event.key === "/" && event.target !== part("search")) {
      event.preventDefault();
      part("search").focus();
    }
  });
  part("controls").addEventListener("submit", (event) => event.preventDefault());
  part("reset").addEventListener("click", graph.reset);
  window.addEventListener("resize", graph.resize);
  graph.resize();
})();
