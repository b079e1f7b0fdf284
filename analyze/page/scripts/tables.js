// Tables that sort, filter, and are copied as CSV.

import { copyText, element, notes } from "./dom.js";
import { count, csv, shownValue } from "./format.js";

const PAGE = 50;
const NUMBERS = new Set(["ns", "bytes", "count", "seconds", "pid"]);

// The elements of a table. `spec`: columns with name, heading and kind; rows; total; notes; depths of a tree.
// `pick`: is called with the row whose first cell is clicked.
export function dataTable(spec, pick = null) {
  const { columns } = spec;
  let rows = spec.rows.map((values, place) => ({ values, place, depth: spec.depths ? spec.depths[place] : 0 }));
  let sorted = { column: -1, direction: 1 };
  let most = PAGE;
  const filter = element("input", {
    type: "search",
    placeholder: "Filter",
    "aria-label": `Filter the rows of ${spec.title}`,
    autocomplete: "off",
    spellcheck: "false",
  });
  const shownRows = element("output", { class: "muted" });
  const copy = element("button", { type: "button" }, "Copy as CSV");
  const more = element("button", { type: "button" }, "");
  const body = element("tbody");
  const heads = columns.map((column, place) => {
    const button = element("button", { type: "button", class: "sort" }, column.heading);
    button.addEventListener("click", () => sortBy(place));
    return element("th", { scope: "col", class: NUMBERS.has(column.kind) ? "number" : null, "aria-sort": "none" }, button);
  });

  function texts(row) {
    return columns.map((column, place) => shownValue(row.values[place], column.kind));
  }

  function chosen() {
    const wanted = filter.value.toLowerCase();
    return wanted === "" ? rows : rows.filter((row) => texts(row).join("\n").toLowerCase().includes(wanted));
  }

  function sortBy(place) {
    const isNumber = NUMBERS.has(columns[place].kind);
    const first = isNumber ? -1 : 1;
    if (sorted.column !== place) sorted = { column: place, direction: first };
    else if (sorted.direction === first) sorted = { column: place, direction: -first };
    else sorted = { column: -1, direction: 1 };
    rows.sort((a, b) => {
      if (sorted.column < 0) return a.place - b.place;
      const [x, y] = [a.values[sorted.column], b.values[sorted.column]];
      if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
      const order = typeof x === "string" ? x.localeCompare(String(y)) : x - y;
      return order * sorted.direction || a.place - b.place;
    });
    heads.forEach((head, i) => {
      const order = i !== sorted.column ? "none" : sorted.direction > 0 ? "ascending" : "descending";
      head.setAttribute("aria-sort", order);
    });
    draw();
  }

  function cell(row, column, place) {
    const isMain = place === 0;
    const text = shownValue(row.values[place], column.kind) || (isMain ? "-" : "");
    const act = () => pick(row.values);
    const inside = !isMain
      ? text
      : element("div", { class: "long" }, pick ? element("button", { type: "button", class: "link", onclick: act }, text) : text);
    const classes = [NUMBERS.has(column.kind) ? "number" : "", isMain ? "main" : "", column.name === "errno" && text ? "bad" : ""];
    const made = element(
      isMain ? "th" : "td",
      { scope: isMain ? "row" : null, class: classes.join(" ").trim() || null, "data-heading": column.heading },
      inside,
    );
    if (column.kind === "time") made.title = String(row.values[place] ?? "");
    if (isMain && spec.depths && sorted.column < 0 && filter.value === "") {
      made.style.paddingLeft = `${8 + 18 * Math.min(row.depth, 20)}px`;
    }
    return made;
  }

  function draw() {
    const found = chosen();
    const shown = found.slice(0, most);
    body.replaceChildren(...shown.map((row) => element("tr", {}, ...columns.map((column, i) => cell(row, column, i)))));
    const all = spec.total ?? rows.length;
    shownRows.textContent =
      found.length === rows.length ? `${count(all)} ${all === 1 ? "row" : "rows"}` : `${count(found.length)} of ${count(rows.length)} rows`;
    more.hidden = found.length <= most;
    more.textContent = `Show ${count(Math.min(found.length - most, 10 * PAGE))} more of ${count(found.length - most)}`;
  }

  filter.addEventListener("input", draw);
  more.addEventListener("click", () => {
    most += 10 * PAGE;
    draw();
  });
  copy.addEventListener("click", () => {
    copyText(csv(columns.map((column) => column.name), chosen().map((row) => row.values)), copy);
  });
  const left = (spec.total ?? rows.length) - rows.length;
  const said = [...(spec.notes ?? [])];
  if (left > 0) said.push(`${count(left)} further rows are not in this page.`);
  draw();
  const empty = spec.rows.length === 0;
  const parts = empty
    ? [element("p", { class: "muted" }, "Nothing of the kind is in this trace.")]
    : [
        element("div", { class: "tools" }, filter, shownRows, copy),
        element(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": spec.title },
          element(
            "table",
            {},
            element("caption", { class: "unseen" }, `${spec.title}. ${spec.about ?? ""}`),
            element("thead", {}, element("tr", {}, ...heads)),
            body,
          ),
        ),
        more,
      ];
  const whole = element("div", { class: "data" }, ...parts, ...notes(said));
  whole.replaceRows = (next) => {
    spec.rows = next;
    rows = next.map((values, place) => ({ values, place, depth: 0 }));
    draw();
  };
  return whole;
}
