"use strict";
const body = document.querySelector("tbody");
const rows = Array.from(body.rows);
const count = document.getElementById("count");
const text = document.getElementById("text");
const boxes = Array.from(document.querySelectorAll("input[name=state]"));

function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const states = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  for (const row of rows) {
    const told = row.textContent.toLowerCase();
    row.hidden = !states.has(row.dataset.state) || !words.every((word) => told.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = `${shown} of ${rows.length} cases`;
}

function sort(button) {
  const heading = button.closest("th");
  const rising = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of document.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const key = (row) => row.cells[heading.cellIndex].dataset.key;
  const compare = (one, other) =>
    Number.isNaN(Number(one)) || Number.isNaN(Number(other)) ? one.localeCompare(other, undefined, { numeric: true }) : one - other;
  rows.sort((one, other) => (rising ? 1 : -1) * compare(key(one), key(other)));
  body.append(...rows);
}

text.addEventListener("input", filter);
boxes.forEach((box) => box.addEventListener("change", filter));
document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
document.querySelector("form").hidden = false;
filter();
