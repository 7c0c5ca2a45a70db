"use strict";
// Headings become buttons that sort their table: by the number that a cell begins with, else by its text; once more: the
// other way, once more: as it was. Without this script the page is complete.
const NUMBER = /^[<+−-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?(?=$|[\s(%])/;
const missing = text => text === "" || text === "–";
const number = text => parseFloat(text.replace("−", "-").replace(/[<,]/g, ""));

function sort(table, column, rows, order) {
  const text = row => row.cells[column].innerText.trim();
  const [empty, filled] = [rows.filter(row => missing(text(row))), rows.filter(row => !missing(text(row)))];
  const numeric = filled.every(row => NUMBER.test(text(row)));
  const compare = (a, b) => numeric ? number(a) - number(b) : a.localeCompare(b, "en", {numeric: true});
  filled.sort((a, b) => (order === "descending" ? -1 : 1) * compare(text(a), text(b)));
  table.tBodies[0].append(...(order ? [...filled, ...empty] : rows));
}

for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead?.rows[0]?.cells ?? []], rows = [...table.tBodies[0]?.rows ?? []];
  if (table.tHead?.rows.length !== 1 || rows.length < 3 || rows.some(row => row.cells.length !== headings.length)) continue;
  headings.forEach((heading, column) => {
    if (!heading.textContent.trim()) return;
    const button = Object.assign(document.createElement("button"), {type: "button"});
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const order = {ascending: "descending", descending: ""}[heading.getAttribute("aria-sort")] ?? "ascending";
      headings.forEach(other => other.removeAttribute("aria-sort"));
      if (order) heading.setAttribute("aria-sort", order);
      sort(table, column, rows, order);
    });
  });
}
