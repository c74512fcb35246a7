// What several pages show: figures of a period, tables of margins, names of customers, trends.

import { compare, divide, isNegative, isZero, subtract } from "./decimal.js";
import { chart } from "./charts.js";
import { fill, h, parted, select } from "./dom.js";
import { count, delta, longest, money, moneyText, ratio } from "./figures.js";
import { customRange, link, range } from "./state.js";
import { exports } from "./table.js";
import { buckets, clock, minuteText } from "./time.js";

// What of a place would be lost when it is drawn anew: where the focus is, how far it is scrolled, what is unfolded.
function keep(element) {
  const like = (one) => `${one.tagName} ${one.getAttribute("href") ?? ""} ${one.getAttribute("aria-label") ?? one.textContent}`;
  const active = element.contains(document.activeElement) ? like(document.activeElement) : null;
  const scrolled = [...element.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const open = [...element.querySelectorAll("details[open] > summary")].map((one) => one.textContent);
  return () => {
    element.querySelectorAll(".scroll").forEach((one, index) => {
      one.scrollLeft = scrolled[index] ?? 0;
    });
    for (const one of element.querySelectorAll("details > summary")) {
      if (open.includes(one.textContent)) one.parentElement.open = true;
    }
    if (active !== null) {
      const all = [...element.querySelectorAll("a, button, select, summary, [tabindex]")];
      all.find((one) => like(one) === active)?.focus({ preventScroll: true });
    }
  };
}

// A place in a page that is drawn anew only when what it shows has changed, and never under somebody's hands.
export function slot(name = "div") {
  const element = h(name);
  let shown;
  return {
    element,
    set(key, build) {
      const text = JSON.stringify(key);
      if (text === shown) return;
      if (
        shown !== undefined && (element.querySelector(":active, .canvas:focus") || document.activeElement?.matches("select.tool"))
      ) return;
      shown = text;
      for (const old of element.querySelectorAll(".chart")) old.discard?.();
      const again = keep(element);
      fill(element, build());
      again();
    },
  };
}

export function personName(customer) {
  return [customer?.firstName, customer?.lastName].filter(Boolean).join(" ");
}

export const NONE = {
  customer: "No customer",
  feature: "No feature",
  model: "No model",
  provider: "No provider",
  eventName: "No name",
};

// The page of a customer, a feature or a model.
export function pageOf(kind, id, changes = {}) {
  return link(`/${kind}s/${encodeURIComponent(id)}`, { [kind]: null, ...changes });
}

function loss(row) {
  return isNegative(row.marginAmount) ? h("span.badge.bad", "Loss") : null;
}

export const nameColumns = {
  customer: {
    key: "customerReferenceId",
    label: "Customer",
    wide: true,
    value: (row) => personName(row.customer) || row.customerReferenceId,
    cell(row) {
      const id = row.customerReferenceId;
      if (id === null) return h("span.none", NONE.customer);
      const name = personName(row.customer);
      const more = [name ? id : null, row.customer?.email].filter(Boolean).join(" · ");
      return h(
        "span.name",
        h("a", { href: pageOf("customer", id), title: id }, name || id),
        loss(row),
        more ? h("span.fine", parted(more)) : null,
      );
    },
  },
  feature: {
    key: "featureKey",
    label: "Feature",
    wide: true,
    value: (row) => row.featureKey,
    cell: (row) =>
      row.featureKey === null
        ? h("span.none", NONE.feature)
        : h("span.name", h("a", { href: pageOf("feature", row.featureKey), title: row.featureKey }, row.featureKey), loss(row)),
  },
  model: {
    key: "model",
    label: "Model",
    wide: true,
    value: (row) => row.model,
    cell: (row) =>
      row.model === null ? h("span.none", NONE.model) : h(
        "span.name",
        h("a", { href: pageOf("model", row.model, { provider: row.modelProvider ?? null }), title: row.model }, row.model),
        loss(row),
        h("span.fine", row.modelProvider ?? NONE.provider),
      ),
  },
  provider: {
    key: "modelProvider",
    label: "Provider",
    wide: true,
    value: (row) => row.modelProvider,
    cell: (row) =>
      row.modelProvider === null ? h("span.none", NONE.provider) : h(
        "span.name",
        h(
          "a",
          { href: link("/models", { provider: row.modelProvider, model: null }), title: row.modelProvider },
          row.modelProvider,
        ),
        loss(row),
      ),
  },
  eventName: {
    key: "eventName",
    label: "Event",
    wide: true,
    value: (row) => row.eventName,
    cell: (row) => h("span.name", h("a", { href: link("/events", { name: row.eventName }) }, row.eventName)),
  },
};

function amount(key, label) {
  return {
    key,
    label,
    right: true,
    decimal: true,
    value: (row) => row[key],
    align: (rows) => longest(rows.map((row) => row[key])),
    cell: (row, align) => money(row[key], align),
  };
}

// Whether no event of a group has a cost that anybody knows: it is not free.
function isUnknown(row) {
  return !isZero(row.events) && compare(row.events, row.unpricedEvents) === 0;
}

// Events, cost, revenue, margin and ratio; `share`: of which whole a group's cost is a part.
export function sumColumns({ share } = {}) {
  return [
    {
      key: "events",
      narrow: true,
      label: "Events",
      right: true,
      decimal: true,
      value: (row) => row.events,
      cell: (
        row,
      ) => [
        isZero(row.unpricedEvents) ? null : h(
          "span.badge.warn",
          { title: `${count(row.unpricedEvents)} of them have no price and count as no cost` },
          `${count(row.unpricedEvents)} unpriced`,
        ),
        count(row.events),
      ],
    },
    {
      ...amount("costAmount", "Cost"),
      cell: (row, align) => (isUnknown(row) ? money(null) : money(row.costAmount, align)),
    },
    share
      ? {
        key: "share",
        label: "Share",
        right: true,
        less: true,
        decimal: true,
        noTotal: true,
        value: (row) => divide(row.costAmount, share, 6) ?? undefined,
        cell: (row) => bar(divide(row.costAmount, share, 6)),
      }
      : null,
    { ...amount("revenueAmount", "Revenue"), narrow: true },
    amount("marginAmount", "Margin"),
    {
      key: "marginRatio",
      label: "Ratio",
      narrow: true,
      right: true,
      decimal: true,
      value: (row) => row.marginRatio,
      cell: (row) => ratio(isUnknown(row) ? null : row.marginRatio),
    },
  ].filter(Boolean);
}

// A share as a figure and as a bar behind it; the bar's length may be approximate.
function bar(part) {
  if (part === null) return "\u2013";
  const line = h("span.bar-fill");
  line.style.width = `${Math.max(0, Math.min(100, Number(part) * 100))}%`;
  return h("span.share", h("span.bar", { "aria-hidden": "true" }, line), h("span", `${(Number(part) * 100).toFixed(1)}%`));
}

export const marginOrder = { key: "marginAmount", down: false };

// The figures of a period beside those of the one before.
export function cards(now, before, extra = []) {
  const card = (label, value, change, note) =>
    h("div.card-figure", h("dt", label), h("dd", h("span.figure", value), change, note ? h("span.fine", note) : null));
  const compared = before && !isZero(before.events) ? before : null;
  const was = (key) => (compared ? `before ${moneyText(compared[key])}` : null);
  return h(
    extra.length ? "dl.cards.fours" : "dl.cards",
    card("Cost", money(now.costAmount), delta(now.costAmount, compared?.costAmount, -1), was("costAmount")),
    card("Revenue", money(now.revenueAmount), delta(now.revenueAmount, compared?.revenueAmount, 1), was("revenueAmount")),
    card("Margin", money(now.marginAmount), delta(now.marginAmount, compared?.marginAmount, 1), was("marginAmount")),
    card(
      "Margin ratio",
      ratio(now.marginRatio),
      points(now.marginRatio, compared?.marginRatio),
      compared?.marginRatio !== undefined ? ["before ", ratio(compared.marginRatio)] : null,
    ),
    extra.map(([label, value, note]) => card(label, value, null, note)),
  );
}

function points(now, before) {
  if (now === undefined || before === undefined) return h("span.delta", "nothing to compare");
  const by = subtract(now, before);
  const text = isZero(by) ? "no change" : `${isNegative(by) ? "\u2212" : "+"}${(Math.abs(Number(by)) * 100).toFixed(2)} points`;
  return h(isZero(by) ? "span.delta" : isNegative(by) ? "span.delta.bad" : "span.delta.good", text);
}

function bucketLabel(bucket, unit, zone, days) {
  const c = clock(bucket.at, zone);
  const text = minuteText(bucket.at, zone);
  if (unit === "month") return bucket.key;
  if (unit === "day") return text.split(",")[0];
  return days ? text : `${c.hour}:${c.minute}`;
}

// Cost, revenue and margin over time. `marks`: {at, label} on the axis.
export function trend(ctx, items, totals, { before, marks = [], values: asked } = {}) {
  const { span, state } = ctx;
  const { unit, zone } = span;
  const steps = buckets(span.from, Math.min(span.to, Math.max(Date.now(), span.from + 1)), unit, zone);
  const by = new Map(items.map((item) => [item[unit], item]));
  const days = span.to - span.from > 26 * 3_600_000;
  const labels = steps.map((step) => bucketLabel(step, unit, zone, days));
  const values = (key) => steps.map((step) => by.get(step.key)?.[key] ?? "0");
  const text = (list) => list.map((value) => moneyText(value));
  const line = (label, key, color, kind) => ({ label, color, kind, values: values(key), text: text(values(key)) });
  const series = [
    line("Margin", "marginAmount", "quiet", "bar"),
    line("Revenue", "revenueAmount", "accent", "line"),
    line("Cost", "costAmount", "second", "line"),
  ];
  if (before) {
    const earlier = buckets(span.before, span.beforeTo, unit, zone);
    const old = new Map(before.map((item) => [item[unit], item]));
    const list = steps.map((step, index) => (earlier[index] ? old.get(earlier[index].key)?.marginAmount ?? "0" : null));
    series.push({
      label: "Margin before",
      color: "muted",
      kind: "line",
      faint: true,
      values: list,
      text: list.map((v) => (v === null ? "" : moneyText(v))),
    });
  }
  const end = (index) => (index + 1 < steps.length ? steps[index + 1].at : span.to);
  const placed = marks.filter((mark) => mark.at >= span.from && mark.at < span.to).map((mark) => {
    const index = steps.findLastIndex((step) => step.at <= mark.at);
    return { label: mark.label, index: index + (mark.at - steps[index].at) / (end(index) - steps[index].at) - 0.5 };
  });
  const units = span.units.length > 1
    ? select(span.units.map((one) => [one, `by ${one}`]), unit, {
      "aria-label": "Steps of the trend",
      class: "tool",
      onchange: (event) => ctx.go(link(state.path, { step: event.target.value }, state)),
    })
    : null;
  const zoomed = state.period === "custom"
    ? h("a.tool", { href: link(state.path, { period: "7d", from: null, to: null }, state) }, "Zoom out")
    : null;
  return chart({
    title: "Trend",
    labels,
    series,
    axis: unit[0].toUpperCase() + unit.slice(1),
    marks: placed,
    tools: [zoomed, units, exports({ path: "margins", values: { groupBy: unit, ...range(span), ...asked }, name: "trend" })],
    summary: `${span.range}, by ${unit}: cost ${moneyText(totals.costAmount)}, revenue ${moneyText(totals.revenueAmount)}, margin ${
      moneyText(totals.marginAmount)
    }.`,
    onzoom: (first, last) => ctx.go(link(state.path, customRange(steps[first].at, Math.min(end(last), span.to), zone), state)),
  });
}
