// The overview: what a period cost and earned, against the one before; who and what made it so. Every table ends in the same
// totals as the figures at the top.

import { filters, get, stream } from "./api.js";
import { isZero } from "./decimal.js";
import { announce, h, notice } from "./dom.js";
import { count, moneyText } from "./figures.js";
import { cards, marginOrder, nameColumns, slot, sumColumns, trend } from "./common.js";
import { FILTERS, link, range, rangeBefore } from "./state.js";
import { table } from "./table.js";
import { firstSteps } from "./snippets.js";
import { secondText } from "./time.js";

export async function draw(ctx) {
  const { state, span, signal } = ctx;
  const narrowed = filters(state);
  const [figures, warning, chart, customers, models, providers] = Array.from({ length: 6 }, () => slot());
  const fresh = h("p.fine.pad-top");
  ctx.body.append(
    figures.element,
    warning.element,
    chart.element,
    customers.element,
    h("div.columns", models.element, providers.element),
    fresh,
  );

  async function load() {
    const also = ["customer", "model,provider", "provider"];
    const [before, steps] = await Promise.all([
      get("margins", { groupBy: span.unit, ...rangeBefore(span), ...narrowed }, signal),
      get("margins", { groupBy: span.unit, also, ...range(span), ...narrowed }, signal),
    ]);
    const [byCustomer, byModel, byProvider] = steps.also;
    const totals = steps.totals;
    if (isZero(totals.events) && !FILTERS.some((f) => state[f.name])) {
      const ever = await get("margins", { groupBy: "month" }, signal);
      if (isZero(ever.totals.events)) return false;
    }
    figures.set([totals, before.totals], () => [cards(totals, before.totals), h("p.sr", `${count(totals.events)} events`)]);
    warning.set(
      [byModel.items.filter((item) => !isZero(item.unpricedEvents)), totals.unpricedEvents],
      () => unpriced(ctx, byModel.items, totals),
    );
    chart.set(
      [steps.items, before.items, totals],
      () => trend(ctx, steps.items, totals, { before: before.items, values: narrowed }),
    );
    customers.set(byCustomer.items, () => customerTable(ctx, byCustomer, narrowed));
    const parts = (id, title, group, column, reply) =>
      table({
        id,
        title,
        columns: [column, ...sumColumns({ share: reply.totals.costAmount })],
        rows: reply.items,
        total: reply.totals,
        first: 10,
        sort: { key: "costAmount", down: true },
        truncated: reply.truncated,
        exported: { path: "margins", values: { groupBy: group, ...range(span), ...narrowed }, name: id },
      });
    models.set(byModel.items, () => parts("cost-by-model", "Cost by model", "model,provider", nameColumns.model, byModel));
    providers.set(
      byProvider.items,
      () => parts("cost-by-provider", "Cost by provider", "provider", nameColumns.provider, byProvider),
    );
    fresh.textContent = `As of ${
      secondText(steps.freshAsOf, span.zone)
    }. Cost, revenue and margin are exact: what is shown in smaller figures are the digits beyond the cent.`;
    announce(
      `Cost ${moneyText(totals.costAmount)}, revenue ${moneyText(totals.revenueAmount)}, margin ${moneyText(totals.marginAmount)}`,
    );
    return true;
  }

  if (!(await load())) return welcome(ctx);
  if (span.open) ctx.every(3000, load);
  return undefined;
}

function customerTable(ctx, reply, narrowed) {
  const control = (down, label) => [label, { key: "marginAmount", down }];
  return table({
    id: "margin-by-customer",
    title: "Margin by customer",
    columns: [nameColumns.customer, ...sumColumns()],
    rows: reply.items,
    total: reply.totals,
    first: 12,
    sort: marginOrder,
    orders: [control(false, "Worst margin first"), control(true, "Best margin first"), ["Highest cost first", {
      key: "costAmount",
      down: true,
    }]],
    truncated: reply.truncated,
    exported: { path: "margins", values: { groupBy: "customer", ...range(ctx.span), ...narrowed }, name: "margin-by-customer" },
    click: (row) =>
      row.customerReferenceId !== null &&
      ctx.go(link("/customers/" + encodeURIComponent(row.customerReferenceId), { customer: null })),
  });
}

// Events that nobody knows a price for: they count as no cost, so the margin looks better than it is.
function unpriced(ctx, items, totals) {
  if (isZero(totals.unpricedEvents)) return null;
  const list = items.filter((item) => !isZero(item.unpricedEvents)).sort((a, b) =>
    Number(b.unpricedEvents) - Number(a.unpricedEvents)
  );
  const fix = (item) =>
    h(
      "li",
      h(
        "span.name",
        h("strong", item.model ?? "No model"),
        h("span.fine", [item.modelProvider ?? "no provider", `${count(item.unpricedEvents)} events`].join(" · ")),
      ),
      item.model !== null && ctx.can("admin")
        ? h("a.button", {
          href: link("/prices/own", { newModel: item.model, newProvider: item.modelProvider }),
          "aria-label": `Set a price for ${item.model}`,
        }, "Set a price")
        : null,
      h("a.button", {
        href: link("/events", { model: item.model, provider: item.modelProvider, unpriced: "true" }),
        "aria-label": `Show the unpriced events of ${item.model ?? "no model"}`,
      }, "Show"),
    );
  return notice(
    h("strong", `${count(totals.unpricedEvents)} ${totals.unpricedEvents === "1" ? "event has" : "events have"} no price.`),
    " They count as no cost, so the margin looks better than it is.",
    h("ul.fixes", list.slice(0, 4).map(fix)),
    list.length > 4 ? h("a", { href: link("/prices/unpriced") }, `All ${list.length} models without a price`) : null,
  );
}

// A daemon without any event: how the first one gets here. The page turns into the overview by itself when it does.
function welcome(ctx) {
  ctx.body.replaceChildren(firstSteps(ctx));
  const again = () => ctx.go(location.pathname + location.search, { replace: true });
  const source = stream({}, { event: again, skipped: again, open() {}, lost() {} });
  ctx.onleave(() => source.close());
}
