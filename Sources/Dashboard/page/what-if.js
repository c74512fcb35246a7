// What other prices do: pricing past events again, and trying out what they would have cost, before and after side by side.

import { filters, get, post } from "./api.js";
import { chart } from "./charts.js";
import { compare, isZero, subtract } from "./decimal.js";
import { confirm, field, fill, h, onsubmit, select, toast } from "./dom.js";
import { count, longest, money, moneyText, ratio } from "./figures.js";
import { nameColumns, personName } from "./common.js";
import { members, table } from "./table.js";
import { fromLocalText, iso, localText, secondText } from "./time.js";

const BARS = 12;

function amount(key, label) {
  return {
    key,
    label,
    right: true,
    decimal: true,
    value: (row) => row[key],
    align: (rows) => longest(rows.map((row) => row[key])),
    // What a cost changes by is neither good nor bad in itself.
    cell: (row, align) => key === "costDifference" ? h("span.plain-amount", money(row[key], align)) : money(row[key], align),
  };
}

const size = (row, key) => row[key].replace("-", "");

// The rows with the largest changes, in either direction.
function strongest(rows, key) {
  return [...rows].sort((a, b) => compare(size(b, key), size(a, key))).slice(0, BARS);
}

function sideBySide({ title, rows, label, before, after, names }) {
  const values = (key) => rows.map((row) => row[key]);
  const one = (name, key, color) => ({
    label: name,
    color,
    kind: "bar",
    values: values(key),
    text: values(key).map((value) => moneyText(value)),
  });
  return chart({
    title,
    sideways: true,
    axis: "Group",
    labels: rows.map((row) => shorten(label(row))),
    summary: `The ${rows.length} largest changes, before and after.`,
    series: [one(names[0], before, "quiet"), one(names[1], after, "accent")],
  });
}

function shorten(text) {
  return text.length > 32 ? text.slice(0, 31) + "\u2026" : text;
}

// Filters and a period, as the API has them.
function narrowing(ctx) {
  const { state, span } = ctx;
  const zone = span.zone;
  const input = (value) => h("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false" });
  const controls = {
    customerReferenceId: input(state.customer),
    featureKey: input(state.feature),
    model: input(state.model),
    modelProvider: input(state.provider),
  };
  const from = h("input", { type: "datetime-local", value: localText(span.from, zone) });
  const to = h("input", { type: "datetime-local", value: span.open ? "" : localText(span.to, zone) });
  const only = h("input", { type: "checkbox", checked: filters(state).unpriced === "true" });
  const labels = { customerReferenceId: "Customer", featureKey: "Feature", model: "Model", modelProvider: "Provider" };
  return {
    fields: [
      Object.entries(controls).map(([name, control]) =>
        field(labels[name], control, name === "customerReferenceId" ? "all, if empty" : null)
      ),
      field("From", from, zone),
      field("Until", to, "now, if empty"),
    ],
    unpriced: h("label.check", only, "Only events without a price"),
    body() {
      const out = {};
      for (const [name, control] of Object.entries(controls)) if (control.value.trim()) out[name] = control.value.trim();
      if (from.value) out.from = iso(fromLocalText(from.value, zone));
      if (to.value) out.to = iso(fromLocalText(to.value, zone));
      if (only.checked) out.unpriced = true;
      return out;
    },
  };
}

function panel(title, note, ...children) {
  return h("section.panel", h("div.panel-head", h("h2", title), note ? h("span.fine", note) : null), h("div.panel-body", children));
}

// A question that takes the daemon a while.
function asked(form, button, result, ask) {
  onsubmit(form, button, result, () => {
    fill(result, h("p.fine", "Reading the journal"));
    return ask();
  });
}

// Pricing again -------------------------------------------------------------------------------------------------------------

export async function drawReprice(ctx) {
  const narrow = narrowing(ctx);
  const result = h("div.page", { "aria-live": "polite" });
  const runs = h("div");
  const go = h("button.primary", { type: "submit" }, "Show what would change");
  const form = h("form.filters", narrow.fields, narrow.unpriced, h("div.actions", go));
  ctx.body.append(
    panel(
      "Price past events again",
      "By the prices as they are known now, each event as of when it occurred. Looking changes nothing.",
      form,
    ),
    result,
    runs,
  );
  asked(form, go, result, async () => {
    const body = narrow.body();
    fill(result, preview(ctx, await post("reprices", body, ctx.signal), body, again));
  });
  const again = () => {
    fill(result);
    return list();
  };
  async function list() {
    const reply = await get("reprices", {}, ctx.signal);
    fill(runs, runTable(ctx, reply.items, list));
  }
  await list();
}

function preview(ctx, reply, asked, done) {
  const label = (row) => `${row.customerReferenceId ?? "No customer"} / ${row.model ?? "no model"}`;
  const rest = [
    ["unchanged", "cost the same"],
    ["givenByClient", "came with their cost"],
    ["noLongerPriced", "would find no price and keep their cost"],
    ["stillUnpriced", "still find none"],
    ["voided", "are void"],
  ]
    .filter(([key]) => !isZero(reply[key])).map(([key, text]) => `${count(reply[key])} ${text}`);
  const apply = () =>
    confirm({
      title: "Price them again?",
      button: "Apply",
      text: `${count(reply.changed)} events change by ${
        moneyText(reply.costDifference)
      } together. What was recorded stays readable, and the run can be taken back.`,
      async act() {
        const run = await post("reprices", { ...asked, apply: true });
        toast(run.id ? `Run ${run.id} is done` : "Nothing was left to change");
        await done();
      },
    });
  return [
    panel(
      `${count(reply.changed)} of ${count(reply.matched)} events would change`,
      rest.join(", "),
      h(
        "p",
        "Cost ",
        money(reply.costBefore),
        " to ",
        money(reply.costAfter),
        ", a difference of ",
        h("strong.plain-amount", money(reply.costDifference)),
        isZero(reply.newlyPriced) ? null : `; ${count(reply.newlyPriced)} of them have no price now`,
        ".",
      ),
      !isZero(reply.changed) && ctx.can("admin")
        ? h("div.actions", h("button.primary", { type: "button", onclick: apply }, "Apply"))
        : null,
    ),
    reply.items.length
      ? sideBySide({
        title: "Cost before and after",
        rows: strongest(reply.items, "costDifference"),
        label,
        before: "costBefore",
        after: "costAfter",
        names: ["Before", "After"],
      })
      : null,
    reply.items.length
      ? table({
        id: "reprice",
        title: "What would change",
        rows: reply.items,
        truncated: reply.truncated,
        exported: {
          name: "reprice",
          columns: members(
            ["customerReferenceId", "modelProvider", "model", "events", "newlyPriced", "costBefore", "costAfter", "costDifference"],
            ["events", "newlyPriced", "costBefore", "costAfter", "costDifference"],
          ),
        },
        columns: [
          {
            ...nameColumns.customer,
            cell: (row) =>
              h(
                "span.name",
                row.customerReferenceId === null
                  ? h("span.none", "No customer")
                  : h("span.clamp", { title: row.customerReferenceId }, row.customerReferenceId),
                h("span.fine", [row.modelProvider, row.model].filter(Boolean).join(" · ")),
              ),
          },
          {
            key: "events",
            label: "Events",
            right: true,
            decimal: true,
            value: (row) => row.events,
            cell: (row) => count(row.events),
          },
          amount("costBefore", "Before"),
          amount("costAfter", "After"),
          amount("costDifference", "Difference"),
        ],
      })
      : null,
  ];
}

const RUNS = { reprice: "Priced again", pricing: "A price arrived", reverse: "Taken back" };

function runTable(ctx, items, done) {
  const reverse = (row) =>
    confirm({
      title: `Take run ${row.id} back?`,
      text: `Its ${count(row.events)} events count again for what they did before it. That is a run of its own.`,
      button: "Take back",
      async act() {
        await post(`reprices/${row.id}/reverse`);
        toast("Taken back");
        await done();
      },
    });
  const narrowed = (row) =>
    Object.entries(row.filter ?? {}).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${value}`).join(", ");
  return table({
    id: "runs",
    title: "Runs of corrections",
    rows: items,
    exported: {
      name: "runs",
      columns: members(
        ["id", "kind", "at", "status", "filter", "reverses", "reversedBy", "events", "newlyPriced", "costDifference"],
        ["id", "reverses", "reversedBy", "events", "newlyPriced", "costDifference"],
      ),
    },
    columns: [
      { key: "id", label: "Run", decimal: true, value: (row) => row.id, cell: (row) => row.id },
      {
        key: "kind",
        label: "What",
        wide: true,
        value: (row) => row.kind,
        cell: (row) =>
          h(
            "span.name",
            RUNS[row.kind] ?? row.kind,
            row.reverses ? ` (run ${row.reverses})` : "",
            narrowed(row) ? h("span.fine", narrowed(row)) : null,
          ),
      },
      { key: "at", label: "When", value: (row) => row.at, cell: (row) => secondText(row.at, ctx.span.zone) },
      {
        key: "status",
        label: "State",
        value: (row) => row.status,
        cell: (row) => (row.reversedBy ? `reversed by run ${row.reversedBy}` : row.status),
      },
      { key: "events", label: "Events", right: true, decimal: true, value: (row) => row.events, cell: (row) => count(row.events) },
      amount("costDifference", "Difference"),
      {
        key: "acts",
        label: "",
        name: "Actions",
        right: true,
        cell: (
          row,
        ) => (ctx.can("admin") && row.kind !== "reverse" && row.status === "applied" && !isZero(row.events)
          ? h("button", { type: "button", onclick: () => reverse(row), "aria-label": `Take run ${row.id} back` }, "Take back")
          : null),
      },
    ],
    empty: "None yet. A run appears here when events are priced again, or when a price arrives for events that had none.",
  });
}

// Simulating ----------------------------------------------------------------------------------------------------------------

export async function drawSimulate(ctx) {
  const narrow = narrowing(ctx);
  const input = (attributes) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  const [model, asModel, provider, percent] = [
    input({ placeholder: "gpt-4o" }),
    input({ placeholder: "gpt-4o-mini" }),
    input({ placeholder: "openai" }),
    input({ inputmode: "decimal", placeholder: "12.5" }),
  ];
  const toml = h("textarea", {
    spellcheck: "false",
    placeholder: '[[price]]\nid = "try"\nmodel = "gpt-4o"\nrates = { input = "2.00/M", output = "8.00/M" }',
  });
  const group = select([["customer", "customer"], ["model,provider", "model"], ["feature", "feature"], [
    "customer,model",
    "customer and model",
  ], ["day", "day"]], "customer");
  const given = h("input", { type: "checkbox" });
  const kind = select(
    [["model", "Another model instead"], ["discount", "A discount"], ["toml", "Prices as a file has them"]],
    "model",
  );
  const forms = {
    model: h("div.row", field("Events of the model", model), field("as if they were", asModel)),
    discount: h("div.row", field("Percent off", percent), field("of the provider", provider, "all, if empty")),
    toml: field("Prices", toml, "TOML, as a file of prices.d"),
  };
  const swap = () =>
    Object.entries(forms).forEach(([name, part]) => {
      part.hidden = name !== kind.value;
    });
  kind.addEventListener("change", swap);
  swap();
  const result = h("div.page", { "aria-live": "polite" });
  const go = h("button.primary", { type: "submit" }, "Simulate");
  const form = h(
    "form.stack",
    h("div.row", field("What if", kind), field("Shown by", group)),
    Object.values(forms),
    h("div.filters.bare", narrow.fields),
    h("label.check", given, "Work out costs that came with their events, too"),
    h("div.actions", go),
  );
  ctx.body.append(panel("Try out other prices", "On past events. Nothing changes.", form), result);
  asked(form, go, result, async () => {
    const body = { ...narrow.body(), groupBy: group.value.split(","), timezone: ctx.span.zone, repriceGiven: given.checked };
    if (kind.value === "model") body.substitutions = [{ model: model.value.trim(), asModel: asModel.value.trim() }];
    else if (kind.value === "toml") body.pricesToml = toml.value;
    else {body.prices = [{
        id: "simulated",
        discountPercent: percent.value.trim(),
        ...(provider.value.trim() ? { provider: provider.value.trim() } : {}),
      }];}
    fill(result, simulation(ctx, await post("simulations", body, ctx.signal), { id: "simulation" }));
  });
}

function groupName(row) {
  const parts = [];
  if ("customerReferenceId" in row) parts.push(personName(row.customer) || (row.customerReferenceId ?? "No customer"));
  if ("featureKey" in row) parts.push(row.featureKey ?? "No feature");
  if ("model" in row) parts.push(row.model ?? "No model");
  for (const key of ["hour", "day", "month"]) if (row[key]) parts.push(row[key]);
  return parts.join(" / ");
}

// The members that name a group.
function named({ items, totals }) {
  return Object.keys(items[0] ?? {}).filter((name) => !(name in totals) && name !== "customer");
}

export function simulation(ctx, reply, { id }) {
  const { totals } = reply;
  const changed = reply.items.filter((row) => !isZero(row.changedEvents));
  const rows = strongest(changed.length ? changed : reply.items, "costDifference");
  const card = (label, before, after) =>
    h("div.card-figure", h("dt", label), h("dd", h("span.figure", after), before === null ? null : h("span.fine", "now ", before)));
  return [
    h(
      "dl.cards",
      card("Cost", money(totals.costAmount), money(totals.simulatedCostAmount)),
      card("Margin", money(totals.marginAmount), money(totals.simulatedMarginAmount)),
      card("Margin ratio", ratio(totals.marginRatio), ratio(totals.simulatedMarginRatio)),
      card("Margin, difference", null, money(subtract(totals.simulatedMarginAmount, totals.marginAmount))),
    ),
    isZero(totals.simulatedUnpricedEvents) ? null : h(
      "p.notice",
      `${count(totals.simulatedUnpricedEvents)} events find no price in the simulation and count as no cost in it (${
        count(totals.unpricedEvents)
      } have none now).`,
    ),
    h("p.fine", `${count(totals.changedEvents)} of ${count(totals.events)} events would have another cost.`),
    rows.length
      ? sideBySide({
        title: "Margin before and after",
        rows,
        label: groupName,
        before: "marginAmount",
        after: "simulatedMarginAmount",
        names: ["Now", "Simulated"],
      })
      : null,
    table({
      id,
      title: "By group",
      rows: [...reply.items].sort((a, b) => compare(size(b, "costDifference"), size(a, "costDifference"))),
      total: totals,
      truncated: reply.truncated,
      exported: { name: "simulation", columns: members(named(reply).concat(Object.keys(totals)), Object.keys(totals)) },
      columns: [
        {
          key: "group",
          label: "Group",
          wide: true,
          value: groupName,
          cell: (row) => h("span.clamp", { title: groupName(row) }, groupName(row)),
        },
        {
          key: "events",
          label: "Events",
          narrow: true,
          right: true,
          decimal: true,
          value: (row) => row.events,
          cell: (row) => count(row.events),
        },
        { ...amount("costAmount", "Cost now"), narrow: true },
        { ...amount("simulatedCostAmount", "Cost simulated"), narrow: true },
        amount("costDifference", "Difference"),
        { ...amount("marginAmount", "Margin now"), narrow: true },
        amount("simulatedMarginAmount", "Margin simulated"),
        {
          key: "simulatedMarginRatio",
          label: "Ratio",
          narrow: true,
          right: true,
          decimal: true,
          value: (row) => row.simulatedMarginRatio,
          cell: (row) => ratio(row.simulatedMarginRatio),
        },
      ],
    }),
  ];
}
