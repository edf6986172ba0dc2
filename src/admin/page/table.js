// A table that is brought up to date in place. Its rows are links; arrow keys go from one to the next.

import { h, keyed, say, set } from "./dom.js";
import { count } from "./format.js";
import { filterBy, place } from "./place.js";

// More rows help nobody, and cost each second.
export const LIMIT = 200;

// `columns`: {title, text(entry) or fill(cell, entry), number, wide, order, link}. A column with `order` sorts by that
// order of the API; one with `link` holds the row's link, and what `also(node, entry)` says beside it.
export function table({ caption, columns, key, href, order = "" }) {
  const heads = columns.map((column) => head(column));
  const body = h("tbody", { class: href ? "links" : "" });
  const node = h(
    "div",
    { class: "table" },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, heads)), body),
  );
  const foot = h("p", { class: "foot" });
  node.append(foot);
  if (href) body.addEventListener("click", followRow);

  function update(entries, { of = entries.length, what = "entries", hint = "Filter to find them." } = {}) {
    const chosen = place().filters.order || order;
    columns.forEach((column, index) => {
      if (column.order) set(heads[index], "aria-sort", column.order === chosen ? "descending" : null);
    });
    const shown = entries.slice(0, LIMIT);
    keyed(body, shown, key, (entry) => row(columns, href, entry));
    const left = Math.max(of, entries.length) - shown.length;
    say(foot, left > 0 ? `${count(shown.length)} shown; ${count(left)} more ${what} are not shown. ${hint}` : "");
  }
  return { node, body, update };
}

function head(column) {
  const content = column.order
    ? h("button", { type: "button", click: () => filterBy({ order: column.order }) }, column.title)
    : column.title;
  return h("th", { scope: "col", class: classOf(column), title: column.hint }, content);
}

function classOf(column) {
  return [column.number && "number", column.wide && "wide", column.class].filter(Boolean).join(" ") || null;
}

function row(columns, href, first) {
  let entry = first;
  const cells = columns.map((column) => {
    const cell = h("td", { class: classOf(column) });
    const inner = column.link && href ? h("a", { href: "", "data-rove": true }) : cell;
    if (inner !== cell) cell.append(inner);
    const beside = column.also ? cell.appendChild(h("span", { class: "also" })) : null;
    return { column, cell, inner, beside };
  });
  const node = h("tr", {}, cells.map(({ cell }) => cell));
  function update(next) {
    entry = next;
    for (const { column, cell, inner, beside } of cells) {
      if (inner !== cell) set(inner, "href", href(entry));
      if (column.fill) column.fill(inner, entry);
      else say(inner, column.text(entry));
      if (beside) column.also(beside, entry);
    }
  }
  update(entry);
  return { node, update };
}

// A click anywhere in a row follows its link; one that selects text or hits another link does not.
function followRow(event) {
  if (event.target.closest("a, button") || String(getSelection())) return;
  event.target.closest("tr")?.querySelector("a[data-rove]")?.click();
}
