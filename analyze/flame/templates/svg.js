"use strict";
(function () {
  const svg = document.currentScript.closest("svg");
  const group = svg.querySelector("#frames");
  const room = Number(group.dataset.room);
  const left = Number(group.dataset.left);
  const character = Number(group.dataset.character);
  const details = svg.querySelector("#details");
  const reset = svg.querySelector("#reset");
  const search = svg.querySelector("#search");
  const boxes = Array.from(group.children, function (g) {
    const rect = g.querySelector("rect");
    const says = g.querySelector("title").textContent;
    return {
      g: g,
      rect: rect,
      text: g.querySelector("text"),
      says: says,
      name: says.split("\n")[0],
      parent: Number(g.dataset.p),
      x: Number(rect.getAttribute("x")) - left,
      width: Number(rect.getAttribute("width")),
    };
  });

  function place(box, x, width) {
    const fits = Math.floor((width - 4) / character);
    box.rect.setAttribute("x", left + x);
    box.rect.setAttribute("width", width);
    box.text.setAttribute("x", left + x + 3);
    box.text.textContent =
      fits < 3 ? "" : box.name.length <= fits ? box.name : box.name.slice(0, fits - 2) + "..";
  }

  function zoom(index) {
    const chosen = boxes[index];
    const above = new Set();
    for (let at = chosen.parent; at >= 0; at = boxes[at].parent) above.add(at);
    const inside = [];
    boxes.forEach(function (box, i) {
      // A parent stands before its children.
      inside[i] = i === index || (box.parent >= 0 && inside[box.parent] === true);
      box.g.classList.toggle("above", above.has(i));
      box.g.classList.toggle("away", !inside[i] && !above.has(i));
      if (above.has(i)) place(box, 0, room);
      else if (inside[i]) place(box, ((box.x - chosen.x) * room) / chosen.width, (box.width * room) / chosen.width);
    });
  }

  function find(wanted) {
    let width = 0;
    const covered = [];
    boxes.forEach(function (box, i) {
      const found = wanted !== "" && box.name.toLowerCase().includes(wanted.toLowerCase());
      const below = box.parent >= 0 && covered[box.parent];
      box.g.classList.toggle("found", found);
      if (found && !below) width += box.width;
      covered[i] = found || below;
    });
    details.textContent = wanted === "" ? "" : "Found: " + ((100 * width) / room).toFixed(1) + "% of all";
  }

  function ask() {
    const wanted = window.prompt("Names that contain (empty: none)", "");
    if (wanted !== null) find(wanted);
  }

  function button(element, act) {
    element.addEventListener("click", act);
    element.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") act();
    });
  }

  boxes.forEach(function (box, i) {
    box.g.addEventListener("click", function () {
      zoom(i);
    });
    box.g.addEventListener("mouseenter", function () {
      details.textContent = box.says.replace("\n", ": ");
    });
  });
  button(reset, function () {
    zoom(0);
  });
  button(search, ask);
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") zoom(0);
    if (event.key === "/") {
      event.preventDefault();
      ask();
    }
  });
  svg.classList.add("live");
})();
