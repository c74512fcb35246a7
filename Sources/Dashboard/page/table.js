// Tables: a caption, sortable columns, sums at the foot, and the way out as CSV and NDJSON. A table that the daemon can
// write itself is exported by the daemon, all of it; others are written from what is shown.

import { address } from "./api.js";
import { isDecimal, scaled } from "./decimal.js";
import { download, fill, h, icon, select, unique } from "./dom.js";

const STEP = 50;

// How each table was sorted and how far it was unfolded, as long as the page lives.
const memory = new Map();

// Rows by a column, each value looked at once. What has no value stands last, whichever way round.
function sorted(rows, columns, by) {
  const column = columns.find((one) => one.key === by?.key && one.value);
  if (!column) return rows;
  const key = (
    value,
  ) => (value === undefined || value === null || value === "" ? null : column.decimal ? scaled(value) : String(value));
  const keyed = rows.map((row) => ({ row, key: key(column.value(row)) }));
  const order = column.decimal ? (a, b) => (a < b ? -1 : a > b ? 1 : 0) : new Intl.Collator("en", { numeric: true }).compare;
  keyed.sort((a, b) =>
    a.key === null || b.key === null ? (a.key === null) - (b.key === null) : by.down ? order(b.key, a.key) : order(a.key, b.key)
  );
  return keyed.map((one) => one.row);
}

// A text as a CSV field. What a spreadsheet would take for a formula gets an apostrophe before it; numbers do not.
function csvField(value) {
  let text = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (/^[=+\-@\t\r]/.test(text) && !isDecimal(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function localExport(name, columns, rows) {
  const named = columns.filter((column) => column.value);
  const csv = () => [named.map((c) => csvField(c.key)), ...rows.map((row) => named.map((c) => csvField(c.value(row))))];
  return [
    ["CSV", () => download(`${name}.csv`, "text/csv", csv().map((line) => line.join(",") + "\r\n").join(""))],
    ["NDJSON", () => download(`${name}.ndjson`, "application/x-ndjson", rows.map((row) => json(named, row) + "\n").join(""))],
  ];
}

// Columns for an export of members as the daemon answers them; those in `decimals` are numbers.
export function members(names, decimals = []) {
  return names.map((key) => ({ key, value: (row) => row[key], decimal: decimals.includes(key) }));
}

// Decimals are numbers in JSON, with every digit.
function json(columns, row) {
  const member = (c) => {
    const value = c.value(row) ?? null;
    return JSON.stringify(c.key) + ":" + (c.decimal && isDecimal(value) ? value : JSON.stringify(value));
  };
  return `{${columns.map(member).join(",")}}`;
}

export function exports({ path, values, name, columns, rows, what }) {
  const label = (form) => `Export ${what ?? name} as ${form}`;
  if (path) {
    const links = [["CSV", "csv"], ["NDJSON", "ndjson"]];
    return h(
      "span.exports",
      links.map(([text, format]) =>
        h("a.tool", { href: address(path, { ...values, format }), download: `${name}.${format}`, "aria-label": label(text) }, text)
      ),
    );
  }
  return h(
    "span.exports",
    localExport(name, columns, rows).map(([text, act]) =>
      h("button.tool", { type: "button", onclick: act, "aria-label": label(text) }, text)
    ),
  );
}

// columns: {key, label, cell(row, align), value(row)?, decimal?, right?, align(rows)?, wide?}; a column with `value` can be sorted by.
// exported: {path, values, name} of what the daemon writes; {name, columns?, rows?} of what is written here, from the table unless told.
// `orders`: [label, sort] to choose from by name.
export function table(
  { id, title, note, columns, rows, total, sort, orders, exported, empty, click, tools, truncated, first = STEP, dense },
) {
  const held = memory.get(id) ?? { by: sort, shown: first };
  memory.set(id, held);
  const heading = h("h2", { id: unique("t") }, title);
  const body = h("tbody");
  const wrap = h("div.scroll", { tabindex: "0", role: "group", "aria-labelledby": heading.id });
  const more = h("div.more");
  const aligns = new Map(columns.map((column) => [column.key, column.align?.(total ? [...rows, total] : rows)]));
  const cell = (column, row) => column.cell(row, aligns.get(column.key));
  const classes = (column) =>
    [column.right ? "right" : "", column.wide ? "wide" : "", column.less ? "less" : "", column.narrow ? "wide-only" : ""].filter(
      Boolean,
    ).join(" ") || null;

  const heads = columns.map((column) => {
    const head = h("th", { scope: "col", class: classes(column) });
    if (column.value && rows.length > 1) {
      const press = () => {
        const same = held.by?.key === column.key;
        held.by = { key: column.key, down: same ? !held.by.down : Boolean(column.right) };
        draw();
      };
      head.append(h("button.sort", { type: "button", onclick: press }, column.label, icon("down")));
    } else if (column.label) head.append(column.label);
    else head.append(h("span.sr", column.name ?? "Actions"));
    return head;
  });

  function draw() {
    const list = sorted(rows, columns, held.by);
    columns.forEach((column, index) => {
      if (held.by?.key === column.key) heads[index].setAttribute("aria-sort", held.by.down ? "descending" : "ascending");
      else heads[index].removeAttribute("aria-sort");
    });
    fill(
      body,
      list.slice(0, held.shown).map((row) => {
        const cells = columns.map((column, index) =>
          h(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : null, class: classes(column) }, cell(column, row))
        );
        const line = h("tr", cells);
        if (click) {
          line.className = "link";
          line.addEventListener("click", (event) => {
            if (event.target.closest("a,button,input") || window.getSelection()?.toString()) return;
            click(row);
          });
        }
        return line;
      }),
    );
    const left = list.length - held.shown;
    fill(
      more,
      left > 0
        ? h("button.plain", {
          type: "button",
          onclick: () => {
            held.shown += 500;
            draw();
          },
        }, `Show more (${left.toLocaleString("en-US")} left)`)
        : null,
    );
  }

  const foot = total
    ? h(
      "tfoot",
      h(
        "tr",
        columns.map((column, index) =>
          h(
            index === 0 ? "th" : "td",
            { scope: index === 0 ? "row" : null, class: classes(column) },
            index === 0 ? "Total" : column.noTotal ? null : cell(column, total),
          )
        ),
      ),
    )
    : null;
  if (rows.length) {
    draw();
    wrap.append(h("table", h("caption.sr", title), h("thead", h("tr", heads)), body, foot));
  }
  const chosen = orders && rows.length > 1
    ? select(
      orders.map(([label], index) => [String(index), label]),
      String(Math.max(0, orders.findIndex(([, by]) => by.key === held.by?.key && by.down === held.by.down))),
      {
        class: "tool",
        "aria-label": `Order of ${title.toLowerCase()}`,
        onchange(event) {
          held.by = { ...orders[event.target.value][1] };
          draw();
        },
      },
    )
    : null;
  const way = exported && rows.length ? exports({ columns, rows, what: title.toLowerCase(), ...exported }) : null;
  return h(
    dense ? "section.panel.dense" : "section.panel",
    { "aria-labelledby": heading.id, id: id ? `panel-${id}` : null },
    h("div.panel-head", heading, note ? h("span.fine", note) : null, h("span.tools", tools, chosen, way)),
    rows.length ? wrap : h("div.empty", empty ?? "Nothing here in this period."),
    more,
    truncated ? h("p.fine.pad-x", "There are more groups than are listed; the totals hold all of them.") : null,
  );
}
