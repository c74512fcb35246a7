// Events: as they become durable, and as they were. New ones come in at the top; a pause holds them back without losing count.

import { filters, get, stream } from "./api.js";
import { isNegative } from "./decimal.js";
import { announce, field, fill, h, parted, problem, select } from "./dom.js";
import { openEvent } from "./drawer.js";
import { count, longest, money } from "./figures.js";
import { table } from "./table.js";
import { current, FILTERS, link, range } from "./state.js";
import { secondText } from "./time.js";
import { pageOf } from "./common.js";

const PAGE = 50;
const HELD = 200;

function amount(key, label) {
  return {
    key,
    label,
    right: true,
    decimal: true,
    align: (rows) => longest(rows.map((row) => row[key])),
    cell: (row, align) => money(row[key], align),
  };
}

function named(kind, id, extra) {
  return id === null || id === undefined ? h("span.none", "\u2013") : h("a", { href: pageOf(kind, id, extra), title: id }, id);
}

function units(row) {
  if (row.usageUnits !== undefined && !row.unitsAsInput) return count(row.usageUnits);
  const tokens = BigInt((row.inputTokens ?? "0").split(".")[0]) + BigInt((row.outputTokens ?? "0").split(".")[0]);
  return tokens === 0n
    ? "\u2013"
    : h("span", { title: `${count(row.inputTokens)} in, ${count(row.outputTokens)} out` }, count(String(tokens)));
}

function state(row) {
  if (row.voided) return h("span.badge", "Void");
  if (row.unpriced) return h("span.badge.warn", "Unpriced");
  if (row.marginAmount !== undefined && isNegative(row.marginAmount)) return h("span.badge.bad", "Loss");
  return null;
}

// Columns of a list of events; `without`: what the page is about already.
function columns(ctx, without, show) {
  const list = [
    {
      key: "occurredAt",
      label: "Occurred",
      cell: (row) =>
        h(
          "span.name",
          h("a", {
            href: link(location.pathname, { event: row.eventIdempotencyKey }),
            onclick: (event) => show(event, row),
          }, secondText(row.occurredAt, ctx.span.zone)),
        ),
    },
    { key: "eventName", label: "Event", wide: true, cell: (row) => h("span.name", h("span", parted(row.eventName)), state(row)) },
    { key: "customer", label: "Customer", cell: (row) => named("customer", row.customerReferenceId) },
    { key: "feature", label: "Feature", narrow: true, cell: (row) => named("feature", row.featureKey) },
    { key: "model", label: "Model", narrow: true, cell: (row) => named("model", row.model, { provider: row.modelProvider }) },
    { key: "units", label: "Units", narrow: true, right: true, cell: units },
    amount("costAmount", "Cost"),
    { ...amount("revenueAmount", "Revenue"), narrow: true },
    { ...amount("marginAmount", "Margin"), narrow: true },
  ];
  return list.filter((column) => column.key !== without);
}

function shower(ctx) {
  return (event, row) => {
    if (event && (event.metaKey || event.ctrlKey)) return;
    event?.preventDefault();
    history.replaceState(null, "", withEvent(row.eventIdempotencyKey));
    openEvent(ctx, row.eventIdempotencyKey, () => history.replaceState(null, "", withEvent(null)));
  };
}

// The same address with another event in the drawer.
function withEvent(key) {
  const url = new URL(location.href);
  if (key === null) url.searchParams.delete("event");
  else url.searchParams.set("event", key);
  return url.pathname + url.search;
}

export function eventTable(ctx, rows, { without, ...options }) {
  const show = shower(ctx);
  return table({
    dense: true,
    columns: columns(ctx, without, show),
    rows,
    click: (row) => show(null, row),
    empty: "No events in this period.",
    ...options,
  });
}

// The page ------------------------------------------------------------------------------------------------------------------

export async function draw(ctx) {
  const { state, span, signal } = ctx;
  const narrowed = filters(state);
  const asked = { ...narrowed, ...range(span), timezone: undefined };
  const place = h("div");
  const status = h("span.fine", { id: "stream-state" });
  const pause = h("button", { type: "button", "aria-pressed": "false", hidden: !span.open }, "Pause");
  ctx.body.append(searchForm(ctx), h("div.bar.live-bar", pause, status), place);

  let rows = [];
  let cursor = null;
  let dropped = null;
  let waiting = [];
  let passedOver = 0n;
  let paused = false;
  let fresh = new Set();

  function show() {
    const busy = place.contains(document.activeElement) && document.activeElement.closest("tbody")
      ? document.activeElement.getAttribute("href")
      : null;
    fill(
      place,
      eventTable(ctx, rows, {
        id: "events",
        title: "Events",
        note: `${rows.length} shown`,
        exported: { path: "events", values: asked, name: "events" },
        empty: FILTERS.some((f) => state[f.name]) ? "No event in this period fits." : [
          "No events in this period. ",
          h("a", { href: link(state.path, { period: "30d", from: null, to: null }, state) }, "Look at 30 days"),
          ".",
        ],
      }),
    );
    [...place.querySelectorAll("tbody tr")].forEach((line, index) => {
      if (fresh.has(rows[index]?.sequence)) line.classList.add("fresh");
    });
    fresh = new Set();
    if (busy) [...place.querySelectorAll("tbody a")].find((a) => a.getAttribute("href") === busy)?.focus();
    if (cursor) place.append(h("div.more", h("button.plain", { type: "button", id: "older", onclick: older }, "Older events")));
    else if (dropped) place.append(h("p.fine.pad-x", `${count(dropped.events)} older events are kept as sums only.`));
  }
  async function older() {
    const page = await get("events", { ...asked, limit: PAGE, cursor }, signal);
    rows = rows.concat(page.items);
    cursor = page.nextCursor ?? null;
    dropped = page.dropped ?? null;
    show();
  }
  function take(items) {
    const known = new Set(rows.map((row) => row.sequence));
    const news = items.filter((item) => !known.has(item.sequence));
    if (news.length === 0) return;
    fresh = new Set(news.map((item) => item.sequence));
    rows = news.reverse().concat(rows).slice(0, Math.max(HELD, rows.length > HELD ? rows.length : HELD));
    show();
  }
  function say() {
    const skipped = passedOver > 0n ? `, ${count(String(passedOver))} passed over` : "";
    status.textContent = paused ? `Paused, ${waiting.length} waiting${skipped}` : `Live${skipped}`;
    status.className = paused ? "fine" : "fine live";
  }
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) {
      take(waiting);
      waiting = [];
    }
    say();
    announce(paused ? "Paused" : "Live");
  });

  const first = await get("events", { ...asked, limit: PAGE }, signal);
  rows = first.items;
  cursor = first.nextCursor ?? null;
  dropped = first.dropped ?? null;
  show();
  if (state.event) openEvent(ctx, state.event, () => history.replaceState(null, "", withEvent(null)));
  if (!span.open) return;

  let batch = [];
  let timer = null;
  const source = stream({ ...narrowed, after: rows[0]?.sequence }, {
    event(item) {
      if (Date.parse(item.occurredAt) < span.from) return;
      if (paused) {
        waiting.push(item);
        if (waiting.length > HELD) waiting.shift();
        say();
        return;
      }
      batch.push(item);
      // Several that come at once are drawn once.
      timer ??= setTimeout(() => {
        timer = null;
        take(batch);
        announce(`${batch.length} new`);
        batch = [];
      }, 120);
    },
    skipped(number) {
      passedOver += BigInt(number);
      say();
    },
    open: say,
    lost() {
      status.textContent = "The stream was lost, trying again";
      status.className = "fine";
      // Says why, and leads to the sign-in when the session is over.
      if (source.readyState === EventSource.CLOSED) {
        get("events", { limit: 1 }, signal).catch((error) => fill(status, problem(error)));
      }
    },
  });
  ctx.onleave(() => {
    source.close();
    clearTimeout(timer);
  });
  say();
}

// All filters of the API in one form; what is set is in the address.
function searchForm(ctx) {
  const { state } = ctx;
  const inputs = new Map();
  const make = (filter) => {
    const control = filter.name === "unpriced"
      ? select([["", "any"], ["true", "without a price"], ["false", "with a price"]], state.unpriced ?? "")
      : h("input", { type: "text", value: state[filter.name] ?? "", autocomplete: "off", spellcheck: "false" });
    inputs.set(filter.name, control);
    return field(filter.label === "Unpriced" ? "Price" : filter.label, control);
  };
  const key = h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  const set = FILTERS.some((f) => state[f.name]);
  const form = h(
    "form.filters",
    { role: "search", "aria-label": "Events" },
    FILTERS.map(make),
    field("Idempotency key", key),
    h(
      "div.actions",
      set
        ? h("a.button", { href: link(state.path, Object.fromEntries(FILTERS.map((f) => [f.name, null])), state) }, "Clear")
        : null,
      h("button.primary", { type: "submit" }, "Search"),
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = key.value.trim();
    if (text) {
      history.replaceState(null, "", withEvent(text));
      openEvent(ctx, text, () => history.replaceState(null, "", withEvent(null)));
      return;
    }
    const changes = {};
    for (const [name, control] of inputs) changes[name] = control.value.trim() || null;
    ctx.go(link(state.path, changes, current()));
  });
  const wide = window.matchMedia("(min-width: 720px)").matches;
  return h("details.panel.search", { open: wide || set }, h("summary", set ? "Search, narrowed" : "Search"), form);
}
