// Customers, features and models: the list of each, and the page of one.

import { filters, get, patch, post } from "./api.js";
import { divide, isZero } from "./decimal.js";
import { announce, field, fill, formBox, h, problem, toast } from "./dom.js";
import { count, money, moneyText } from "./figures.js";
import { cards, marginOrder, nameColumns, personName, slot, sumColumns, trend } from "./common.js";
import { eventTable } from "./events.js";
import { link, range, rangeBefore } from "./state.js";
import { table } from "./table.js";
import { dayText } from "./time.js";

const KINDS = {
  customers: { filter: "customer", api: "customerReferenceId", group: "customer", one: "Customer", others: ["feature", "model"] },
  features: { filter: "feature", api: "featureKey", group: "feature", one: "Feature", others: ["customer", "model"] },
  models: { filter: "model", api: "model", group: "model,provider", one: "Model", others: ["customer", "feature"] },
};
const GROUPS = { customer: ["customer", "By customer"], feature: ["feature", "By feature"], model: ["model,provider", "By model"] };

export function draw(ctx) {
  return ctx.rest ? one(ctx) : list(ctx);
}

// The list ----------------------------------------------------------------------------------------------------------------

async function list(ctx) {
  const { state, span, signal } = ctx;
  const kind = KINDS[ctx.name];
  const narrowed = filters(state);
  const place = slot();
  const search = h("input", {
    type: "search",
    value: state.search.get("q") ?? "",
    placeholder: `Search ${ctx.name}`,
    "aria-label": `Search ${ctx.name}`,
    autocomplete: "off",
  });
  const add = ctx.name === "customers" && ctx.can("admin")
    ? h("button", { type: "button", onclick: () => register(ctx, null) }, "Register a customer")
    : null;
  ctx.body.append(h("div.bar", search, add), place.element);
  const column = nameColumns[kind.filter];
  let reply;

  function show() {
    const text = search.value.trim().toLowerCase();
    const rows = text ? reply.items.filter((item) => haystack(item).includes(text)) : reply.items;
    const all = rows.length === reply.items.length;
    place.set([rows, text], () =>
      table({
        id: ctx.name,
        title: `${kind.one}s with events`,
        note: all ? null : `${rows.length} of ${reply.items.length}`,
        columns: [column, ...sumColumns({ share: reply.totals.costAmount })],
        rows,
        total: all ? reply.totals : null,
        sort: ctx.name === "customers" ? marginOrder : { key: "costAmount", down: true },
        orders: [["Worst margin first", marginOrder], ["Best margin first", { key: "marginAmount", down: true }], [
          "Highest cost first",
          { key: "costAmount", down: true },
        ], ["Most events first", { key: "events", down: true }]],
        truncated: reply.truncated,
        exported: { path: "margins", values: { groupBy: kind.group, ...range(span), ...narrowed }, name: ctx.name },
        empty: text ? `Nothing that holds "${text}" has events in this period.` : [
          "No events in this period. ",
          h("a", { href: link(state.path, { period: "30d", from: null, to: null }, state) }, "Look at 30 days"),
          ".",
        ],
        click: (row) =>
          row[kind.api] !== null &&
          ctx.go(
            link(`/${ctx.name}/${encodeURIComponent(row[kind.api])}`, {
              [kind.filter]: null,
              ...(row.modelProvider ? { provider: row.modelProvider } : {}),
            }),
          ),
      }));
  }
  async function load() {
    reply = await get("margins", { groupBy: kind.group, ...range(span), ...narrowed }, signal);
    show();
  }
  search.addEventListener("input", () => {
    show();
    announce(`${place.element.querySelectorAll("tbody tr").length} shown`);
  });
  await load();
  if (ctx.name === "customers") await registered(ctx, search);
  if (span.open) ctx.every(5000, load);
}

function haystack(item) {
  return [
    item.customerReferenceId,
    personName(item.customer),
    item.customer?.email,
    item.featureKey,
    item.model,
    item.modelProvider,
  ].filter(Boolean).join("\n").toLowerCase();
}

// Everybody the daemon knows, also without events in the period, page by page.
async function registered(ctx, search) {
  const place = h("div");
  ctx.body.append(place);
  let offset = 0;
  const limit = 50;
  async function load() {
    const text = search.value.trim();
    const reply = await get("customers", { search: text, limit, offset }, ctx.signal);
    const { total, hasMore } = reply.pagination;
    const page = (label, to, on) =>
      h("button", {
        type: "button",
        disabled: !on,
        onclick: () => {
          offset = to;
          load();
        },
      }, label);
    fill(
      place,
      table({
        id: "known",
        title: "Everyone known",
        note: `${count(total)} in all, sums over all time`,
        columns: [
          { ...nameColumns.customer, value: null, cell: (row) => nameColumns.customer.cell({ ...row, customer: row }) },
          { key: "source", label: "Known from", narrow: true, cell: (row) => (row.source === "MANUAL" ? "registration" : "its events") },
          { key: "createdAt", label: "Since", narrow: true, cell: (row) => dayText(Date.parse(row.createdAt), ctx.span.zone) },
          { key: "events", label: "Events", right: true, cell: (row) => count(row.events) },
          { key: "marginAmount", label: "Margin", right: true, cell: (row) => money(row.marginAmount) },
        ],
        rows: reply.items,
        exported: { path: "customers", values: { search: text }, name: "customers" },
        empty: text ? "Nobody by that name." : "Nobody yet. The first event that names a customer makes it known.",
      }),
      Number(total) > limit
        ? h(
          "div.pages",
          page("Back", Math.max(0, offset - limit), offset > 0),
          h("span.fine", `${offset + 1} to ${offset + reply.items.length} of ${count(total)}`),
          page("Next", offset + limit, hasMore),
        )
        : null,
    );
  }
  let timer;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      offset = 0;
      load().catch((error) => fill(place, problem(error)));
    }, 250);
  });
  await load();
}

function register(ctx, customer) {
  const input = (type, value, extra) => h("input", { type, value: value ?? "", autocomplete: "off", ...extra });
  const reference = input("text", customer?.customerReferenceId, { maxlength: "256", disabled: Boolean(customer) });
  const email = input("email", customer?.email, { maxlength: "254", required: true });
  const first = input("text", customer?.firstName, { maxlength: "100" });
  const last = input("text", customer?.lastName, { maxlength: "100" });
  const phone = input("tel", customer?.phoneNumber, { maxlength: "100" });
  formBox({
    title: customer ? "Details" : "Register a customer",
    fields: [
      field("Reference", reference, "As events name it: customerReferenceId."),
      field("E-mail", email),
      h("div.row", field("First name", first), field("Last name", last)),
      field("Telephone", phone),
    ],
    button: customer ? "Save" : "Register",
    focus: customer ? email : reference,
    async act(box) {
      const body = {
        email: email.value.trim(),
        firstName: first.value.trim() || null,
        lastName: last.value.trim() || null,
        phoneNumber: phone.value.trim() || null,
      };
      if (customer) await patch("customers/" + encodeURIComponent(customer.customerReferenceId), body);
      else await post("customers", { ...body, customerReferenceId: reference.value.trim() || null });
      box.close();
      toast(customer ? "Saved" : "Registered");
      ctx.go(location.pathname + location.search, { replace: true });
    },
  });
}

// One -----------------------------------------------------------------------------------------------------------------------

async function one(ctx) {
  const { state, span, signal } = ctx;
  const kind = KINDS[ctx.name];
  const id = ctx.rest;
  const narrowed = { ...filters(state), [kind.api]: id };
  document.title = `${id} - Purser`;
  fill(ctx.heading, id);
  ctx.heading.title = id;
  fill(ctx.sub, h("a", { href: link("/" + ctx.name, { [kind.filter]: null }) }, kind.one));
  if (ctx.name === "customers") await who(ctx, id);
  const places = Array.from({ length: 5 }, () => slot());
  const [figures, chart, left, right, recent] = places;
  ctx.body.append(figures.element, chart.element, left.element, right.element, recent.element);
  const changes = ctx.name === "customers" ? [] : await priceChanges(ctx, id);

  async function load() {
    const also = kind.others.map((other) => GROUPS[other][0]);
    const [steps, before, whole, newest] = await Promise.all([
      get("margins", { groupBy: span.unit, also, ...range(span), ...narrowed }, signal),
      get("margins", { groupBy: span.unit, ...rangeBefore(span), ...narrowed }, signal),
      get("margins", { groupBy: "provider", ...range(span) }, signal),
      get("events", { ...narrowed, ...range(span), timezone: undefined, limit: 10 }, signal),
    ]);
    const parts = steps.also;
    const totals = steps.totals;
    const per = (by) => (isZero(by) ? "\u2013" : money(divide(totals.costAmount, by, 12)));
    const part = isZero(whole.totals.costAmount) ? null : divide(totals.costAmount, whole.totals.costAmount, 6);
    figures.set([totals, before.totals, part], () =>
      cards(totals, before.totals, [
        ["Events", count(totals.events), isZero(totals.unpricedEvents) ? null : `${count(totals.unpricedEvents)} unpriced`],
        [
          "Share of all cost",
          part === null ? "\u2013" : `${(Number(part) * 100).toFixed(2)}%`,
          `of ${moneyText(whole.totals.costAmount)}`,
        ],
        ["Cost per event", per(totals.events)],
        isZero(totals.usageUnits) && !isZero(totals.inputTokens)
          ? ["Cost per 1,000 tokens", per(divide(sumTokens(totals), "1000", 6)), `${count(sumTokens(totals))} tokens`]
          : ["Cost per unit", per(totals.usageUnits), `${count(totals.usageUnits)} units`],
      ]));
    const marks = changes.filter((change) => change.from).map((change) => ({ at: Date.parse(change.from), label: "price" }));
    chart.set(
      [steps.items, before.items, totals],
      () => h("div", trend(ctx, steps.items, totals, { before: before.items, marks, values: narrowed }), priceList(ctx, changes)),
    );
    [left, right].forEach((place, index) => {
      const [group, title] = GROUPS[kind.others[index]];
      const reply = parts[index];
      place.set(reply.items, () =>
        table({
          id: `of-${kind.filter}-${kind.others[index]}`,
          title,
          rows: reply.items,
          total: reply.totals,
          truncated: reply.truncated,
          columns: [nameColumns[kind.others[index]], ...sumColumns()],
          sort: { key: "costAmount", down: true },
          first: 10,
          exported: {
            path: "margins",
            values: { groupBy: group, ...range(span), ...narrowed },
            name: `${kind.filter}-${kind.others[index]}`,
          },
        }));
    });
    recent.set(newest.items, () =>
      eventTable(ctx, newest.items, {
        id: "recent",
        title: "Recent events",
        without: kind.filter,
        exported: { path: "events", values: { ...narrowed, ...range(span), timezone: undefined }, name: "events" },
        tools: h("a.tool", { href: link("/events", { [kind.filter]: id }) }, "All events"),
      }));
  }
  await load();
  if (span.open) ctx.every(5000, load);
}

function sumTokens(totals) {
  return String(BigInt(totals.inputTokens.split(".")[0]) + BigInt(totals.outputTokens.split(".")[0]));
}

async function who(ctx, id) {
  let customer;
  try {
    customer = await get("customers/" + encodeURIComponent(id), {}, ctx.signal);
  } catch (error) {
    if (error.status !== 404) throw error;
    ctx.sub.append(" that no event or registration names");
    return;
  }
  const name = personName(customer);
  if (name) fill(ctx.heading, name);
  ctx.sub.append(...[name ? id : null, customer.email].filter(Boolean).flatMap((text) => [" · ", h("span", text)]));
  if (ctx.can("admin")) {
    ctx.sub.append(
      " ",
      h(
        "button.inline",
        { type: "button", onclick: () => register(ctx, customer) },
        customer.source === "MANUAL" ? "Change" : "Add a name",
      ),
    );
  }
}

// When prices changed: of a model; of a feature only where a price of one's own is for it.
async function priceChanges(ctx, id) {
  try {
    if (ctx.name === "models") {
      const reply = await get("models/" + encodeURIComponent(id), { modelProvider: ctx.state.provider }, ctx.signal);
      return reply.changes ?? [];
    }
    const reply = await get("models", { limit: 1 }, ctx.signal);
    return (reply.own ?? []).filter((price) => price.featureKey === id).map((price) => ({
      from: price.from,
      source: `custom:${price.id}`,
      rates: price.cards?.[0]?.rates ?? [],
    }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return [];
  }
}

function priceList(ctx, changes) {
  if (changes.length === 0) return null;
  const perMillion = (rate) => `${money(multiplyMillion(rate.rate)).textContent}/M ${rate.kind.replace("Tokens", "")}`;
  return h(
    "details.figures.prices",
    h("summary", `Prices over time (${changes.length})`),
    h(
      "ul.plain-list",
      changes.map((change) =>
        h(
          "li",
          h(
            "span.fine",
            change.from
              ? `from ${dayText(Date.parse(change.from), ctx.span.zone)} ${new Date(change.from).getUTCFullYear()}: `
              : "until then: ",
          ),
          (change.rates ?? []).slice(0, 5).map(perMillion).join(", ") || "no price",
          " ",
          h("code", change.source ?? "none"),
        )
      ),
    ),
  );
}

function multiplyMillion(rate) {
  return divide(rate, "0.000001", 9);
}
