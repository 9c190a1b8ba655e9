/**
 * A table of any length as an ARIA grid: only the rows in sight exist. Rows that are not there yet are
 * asked for with `onNeed(first, last)`; the chosen row is the caller's, and the keys move it.
 */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../core/html.js";
import { Icon } from "./icon.js";

const AHEAD = 10;
/** Pixels: browsers draw no element that is much higher. Rows further down, among millions, are found by a search. */
const HIGHEST = 15_000_000;

export function rowHeight() {
  return parseInt(getComputedStyle(document.documentElement).getPropertyValue("--row"), 10) || 32;
}

function useWindow(total, onNeed) {
  const box = useRef(null);
  const [sight, setSight] = useState({ first: 0, last: 40 });
  const look = () => {
    if (!box.current) return;
    const height = rowHeight();
    const first = Math.max(0, Math.floor(box.current.scrollTop / height) - AHEAD);
    const last = Math.min(total, Math.ceil((box.current.scrollTop + box.current.clientHeight) / height) + AHEAD);
    setSight((old) => (old.first === first && old.last === last ? old : { first, last }));
    onNeed?.(first, last);
  };
  useLayoutEffect(look, [total, onNeed]);
  useEffect(() => {
    const watch = new ResizeObserver(look);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [total]);
  return { box, look, first: Math.min(sight.first, total), last: Math.min(Math.max(sight.last, 0), total) };
}

/**
 * `columns`: {id, title, width, cell(row), end, sorts}; `row(index)` is undefined while it is on its way. With `onSort`,
 * columns that sort have a button; `sorted`: {id, descending} of the column in force.
 */
export function Table({ label, columns, total: all, row, chosen, onChoose, onOpen, onNeed, rowClass, sorted, onSort }) {
  const height = rowHeight();
  const total = Math.min(all, Math.floor(HIGHEST / height));
  const { box, look, first, last } = useWindow(total, onNeed);
  const template = { gridTemplateColumns: columns.map((column) => column.width).join(" ") };

  useEffect(() => {
    const node = box.current;
    const top = chosen * height;
    if (chosen < 0) return;
    if (top < node.scrollTop) node.scrollTop = top;
    else if (top + height * 2 > node.scrollTop + node.clientHeight) node.scrollTop = top + height * 2 - node.clientHeight;
  }, [chosen, total]);

  const page = () => Math.max(1, Math.floor(box.current.clientHeight / height) - 2);
  const move = (event) => {
    if (event.target !== event.currentTarget) return; // a heading's button
    const to = {
      ArrowDown: () => chosen + 1,
      j: () => chosen + 1,
      ArrowUp: () => chosen - 1,
      k: () => chosen - 1,
      PageDown: () => chosen + page(),
      PageUp: () => chosen - page(),
      Home: () => 0,
      End: () => total - 1,
    }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && chosen >= 0) {
      event.preventDefault();
      onOpen(chosen);
    } else if (to && total) {
      event.preventDefault();
      onChoose(Math.max(0, Math.min(total - 1, to())));
    }
  };

  const rows = [];
  for (let index = first; index < last; index++) {
    rows.push(html`<${Row} key=${index} ...${{ index, columns, template, height, value: row(index), onChoose, onOpen, rowClass }} chosen=${index === chosen} />`);
  }
  return html`<div
    class="table"
    role="grid"
    tabindex="0"
    aria-label=${label}
    aria-rowcount=${all + 1}
    aria-colcount=${columns.length}
    aria-activedescendant=${chosen >= first && chosen < last ? `row-${chosen}` : undefined}
    ref=${box}
    onScroll=${look}
    onKeyDown=${move}
  >
    <div class="head" role="row" aria-rowindex="1" style=${template}>
      ${columns.map((column) => html`<${Heading} key=${column.id} column=${column} sorted=${sorted} onSort=${onSort} />`)}
    </div>
    <div class="rows" role="rowgroup" style=${{ blockSize: `${total * height}px` }}>${rows}</div>
  </div>`;
}

function Heading({ column: { id, title, end, sorts }, sorted, onSort }) {
  const order = sorted?.id === id ? (sorted.descending ? "descending" : "ascending") : undefined;
  return html`<div role="columnheader" class=${end ? "end" : ""} aria-sort=${order}>
    ${sorts && onSort
      ? html`<button type="button" onClick=${() => onSort(id)}>
          ${title}${order && html`<${Icon} name=${order === "descending" ? "caret-down-fill" : "caret-up-fill"} />`}
        </button>`
      : title}
  </div>`;
}

/** A tooltip shows text that is too long for its column. */
function whole({ currentTarget: cell }) {
  const parts = Array.from(cell.childNodes, (node) => node.textContent.trim()).filter(Boolean);
  cell.title = cell.scrollWidth > cell.clientWidth ? parts.join(" ") : "";
}

function Row({ index, columns, template, height, value, chosen, onChoose, onOpen, rowClass }) {
  return html`<div
    id=${`row-${index}`}
    role="row"
    class=${`row ${(value && rowClass?.(value)) ?? ""}`}
    aria-rowindex=${index + 2}
    aria-selected=${String(chosen)}
    style=${{ ...template, transform: `translateY(${index * height}px)` }}
    onClick=${() => onChoose(index)}
    onDblClick=${() => onOpen(index)}
  >
    ${columns.map(
      (column) => html`<div key=${column.id} role="gridcell" dir="auto" class=${column.end ? "end" : ""} onPointerEnter=${whole}>
        ${value ? column.cell(value) : html`<span class="pending"></span>`}
      </div>`,
    )}
  </div>`;
}
