// Prices: what is known, what is one's own, what is missing, where the sources differ, and what other prices would do.

import { get, remove } from "./api.js";
import { divide } from "./decimal.js";
import { confirm, fill, h, problem, toast } from "./dom.js";
import { count, moneyText } from "./figures.js";
import { endPrice, priceForm } from "./price-form.js";
import { drawReprice, drawSimulate } from "./what-if.js";
import { link, range } from "./state.js";
import { table } from "./table.js";
import { pageOf } from "./common.js";
import { localText } from "./time.js";

const PARTS = {
  "": ["Catalogue", catalogue],
  own: ["Own prices", own],
  unpriced: ["Without a price", unpriced],
  disagreements: ["Disagreements", disagreements],
  reprice: ["Price again", drawReprice],
  simulate: ["Simulate", drawSimulate],
};

export function draw(ctx) {
  const part = PARTS[ctx.rest] ? ctx.rest : "";
  ctx.body.before(
    h(
      "nav.segments.sections",
      { "aria-label": "Prices" },
      Object.entries(PARTS).map(([name, [label]]) =>
        h("a", { href: link(name ? `/prices/${name}` : "/prices"), "aria-current": name === part ? "page" : null }, label)
      ),
    ),
  );
  document.title = `${PARTS[part][0]} - Prices - Purser`;
  return PARTS[part][1](ctx);
}

// A rate as people read it: per million for tokens, per unit for anything else.
export function rateText(rate) {
  if (/Tokens$/.test(rate.kind)) return `${moneyText(divide(rate.rate, "0.000001", 9))}/M`;
  return moneyText(rate.rate);
}

const shortKind = (kind) => kind.replace("Tokens", "");

function rateColumn(kind, label) {
  const find = (row) => row.rates.find((rate) => rate.kind === kind);
  return { key: kind, label, right: true, cell: (row) => (find(row) ? rateText(find(row)) : "\u2013") };
}

const MAIN = ["inputTokens", "outputTokens", "cacheReadTokens"];

// A search field above a list that the daemon pages through.
function paged(ctx, { path, label, limit, build }) {
  const search = h("input", {
    type: "search",
    placeholder: label,
    "aria-label": label,
    value: ctx.state.search.get("q") ?? "",
    autocomplete: "off",
    spellcheck: "false",
  });
  const place = h("div");
  let offset = 0;
  let asked = 0;
  async function load() {
    asked += 1;
    const mine = asked;
    const values = { search: search.value.trim() };
    const reply = await get(path, { ...values, limit, offset }, ctx.signal);
    if (mine !== asked) return;
    const { total, hasMore } = reply.pagination;
    const step = (text, to, on) =>
      h("button", {
        type: "button",
        disabled: !on,
        onclick: () => {
          offset = to;
          load().catch(say);
        },
      }, text);
    fill(
      place,
      build(reply, values),
      Number(total) > limit
        ? h(
          "div.pages",
          step("Back", Math.max(0, offset - limit), offset > 0),
          h("span.fine", `${count(String(offset + 1))} to ${count(String(offset + reply.items.length))} of ${count(total)}`),
          step("Next", offset + limit, hasMore),
        )
        : null,
    );
  }
  const say = (error) => error.name !== "AbortError" && fill(place, problem(error));
  let timer;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      offset = 0;
      load().catch(say);
    }, 200);
  });
  ctx.body.append(h("div.bar", search), place);
  return load();
}

function catalogue(ctx) {
  return paged(ctx, {
    path: "models",
    label: "Search models",
    limit: 50,
    build: (reply, values) =>
      table({
        id: "catalogue",
        title: `Catalogue ${reply.catalogueVersion}`,
        note: `${count(reply.pagination.total)} rows, USD, as of now`,
        columns: [
          {
            key: "model",
            label: "Model",
            wide: true,
            cell: (row) =>
              h(
                "span.name",
                h("a", { href: pageOf("model", row.model, { provider: row.modelProvider }), title: row.model }, row.model),
                h("span.fine", row.modelProvider),
              ),
          },
          rateColumn("inputTokens", "Input"),
          rateColumn("outputTokens", "Output"),
          rateColumn("cacheReadTokens", "Cached input"),
          {
            key: "other",
            label: "Other",
            cell: (row) =>
              row.rates.filter((rate) => !MAIN.includes(rate.kind)).slice(0, 2).map((rate) =>
                h("div.fine", `${shortKind(rate.kind)} ${rateText(rate)}`)
              ),
          },
          { key: "cards", label: "Sets", right: true, cell: (row) => count(row.cards) },
          { key: "source", label: "Source", cell: (row) => h("span.fine", row.source) },
          {
            key: "use",
            label: "",
            name: "Actions",
            right: true,
            cell: (row) => (ctx.can("admin")
              ? h("a.button", {
                href: link("/prices/own", { newModel: row.model, newProvider: row.modelProvider }),
                "aria-label": `Own price for ${row.model}`,
              }, "Own price")
              : null),
          },
        ],
        rows: reply.items,
        exported: { path: "models", values, name: "models" },
        empty: `No model's name holds "${values.search}".`,
      }),
  });
}

// Own -----------------------------------------------------------------------------------------------------------------------

async function own(ctx) {
  const place = h("div");
  const add = h("button.primary", { type: "button", onclick: () => edit({}) }, "Add a price");
  ctx.body.append(
    h(
      "div.bar",
      ctx.can("admin") ? add : null,
      h("span.fine", "The most particular price that fits an event counts, before the catalogue."),
    ),
    place,
  );
  const edit = (preset) => priceForm(ctx, preset, load);

  async function load() {
    const reply = await get("models", { limit: 1 }, ctx.signal);
    fill(
      place,
      table({
        id: "own",
        title: "Own prices",
        rows: reply.own ?? [],
        exported: { path: "prices", values: {}, name: "prices" },
        columns: [
          {
            key: "id",
            label: "Name",
            wide: true,
            value: (row) => row.id,
            cell: (row) =>
              h(
                "span.name",
                row.id,
                row.inForce ? h("span.badge", "in force") : null,
                h("span.fine", row.source === "file" ? "from a file" : "set here"),
              ),
          },
          { key: "for", label: "For", value: fits, cell: fits },
          {
            key: "from",
            label: "From",
            narrow: true,
            value: (row) => row.from,
            cell: (row) => (row.from ? localText(Date.parse(row.from), ctx.span.zone).replace("T", " ") : "always"),
          },
          {
            key: "until",
            label: "Until",
            narrow: true,
            value: (row) => row.until,
            cell: (row) => (row.until ? localText(Date.parse(row.until), ctx.span.zone).replace("T", " ") : "open"),
          },
          { key: "rates", label: "Price", wide: true, value: summary, cell: (row) => lines(row).map((line) => h("div", line)) },
          {
            key: "acts",
            label: "",
            name: "Actions",
            right: true,
            cell: (row) => (ctx.can("admin") && row.source === "api"
              ? h(
                "span.badges.acts",
                row.until ? null : h("button", {
                  type: "button",
                  "aria-label": `End the price ${row.id}`,
                  onclick: () => endPrice(ctx, row, load),
                }, "End"),
                h(
                  "button.danger",
                  { type: "button", "aria-label": `Remove the price ${row.id}`, onclick: () => drop(row) },
                  "Remove",
                ),
              )
              : null),
          },
        ],
        empty: [
          "None yet. A price of your own is for a model the catalogue does not know, or for what you have agreed with a provider: " +
            "rates, a discount, or an amount per unit, for as long as it holds.",
        ],
      }),
    );
  }
  function drop(row) {
    confirm({
      title: `Remove ${row.id}?`,
      text: "It counts no more from now on. What it has priced keeps its cost.",
      button: "Remove",
      async act() {
        await remove("prices/" + encodeURIComponent(row.id));
        toast("Removed");
        await load();
      },
    });
  }
  await load();
  const model = ctx.state.search.get("newModel");
  if (model !== null && ctx.can("admin")) edit({ model, provider: ctx.state.search.get("newProvider") ?? "" });
}

function fits(row) {
  const parts = [row.modelProvider, row.model, row.featureKey ? `feature ${row.featureKey}` : null].filter(Boolean);
  return parts.join(" · ") || "everything";
}

function lines(row) {
  if (row.discountPercent !== undefined && row.discountPercent !== null) return [`${row.discountPercent}% off the catalogue`];
  return (row.cards ?? []).map((card) =>
    `${card.conditions.length ? card.conditions.join(", ") + ": " : ""}${
      card.rates.map((rate) => `${shortKind(rate.kind)} ${rateText(rate)}`).join(", ")
    }`
  );
}

const summary = (row) => lines(row).join("; ");

// Missing -------------------------------------------------------------------------------------------------------------------

const WHY = {
  no_model: "names no model",
  unknown_model: "not known",
  unknown_provider: "provider not known",
  ambiguous_model: "several providers have it",
  no_usage: "counts nothing that has a price",
  no_rate: "no rate for what it counts",
  out_of_range: "the cost would be too large",
};

async function unpriced(ctx) {
  const values = { ...range(ctx.span), timezone: undefined };
  const reply = await get("unpriced", values, ctx.signal);
  ctx.body.append(table({
    id: "unpriced",
    title: "Models without a price",
    note: ctx.span.range,
    rows: reply.items,
    exported: { path: "unpriced", values, name: "unpriced" },
    columns: [
      {
        key: "model",
        label: "Model",
        wide: true,
        value: (row) => row.model,
        cell: (row) => h("span.name", row.model ?? h("span.none", "No model"), h("span.fine", row.modelProvider ?? "No provider")),
      },
      { key: "events", label: "Events", right: true, decimal: true, value: (row) => row.events, cell: (row) => count(row.events) },
      {
        key: "reason",
        label: "Why",
        value: (row) => row.reason,
        cell: (row) => row.reason === null ? "its price is new, or has no rate for what it counts" : WHY[row.reason] ?? row.reason,
      },
      {
        key: "acts",
        label: "What helps",
        cell: (row) =>
          h(
            "span.badges",
            row.hasPrice
              ? h("a.button", {
                href: link("/prices/reprice", { model: row.model, provider: row.modelProvider, unpriced: "true" }),
              }, "Price again")
              : null,
            !row.hasPrice && row.model !== null && ctx.can("admin")
              ? h("a.button", {
                href: link("/prices/own", { newModel: row.model, newProvider: row.modelProvider }),
                "aria-label": `Set a price for ${row.model}`,
              }, "Set a price")
              : null,
            h("a.button", {
              href: link("/events", { model: row.model, provider: row.modelProvider, unpriced: "true" }),
              "aria-label": `Show the events of ${row.model ?? "no model"}`,
            }, "Show events"),
          ),
      },
    ],
    empty: "Every event of this period has a price.",
  }));
}

function disagreements(ctx) {
  ctx.body.append(
    h(
      "p.fine",
      "Where the two price lists behind the catalogue do not say the same. What counts is the first; a price of your own overrides both.",
    ),
  );
  return paged(ctx, {
    path: "disagreements",
    label: "Search models",
    limit: 50,
    build: (reply, values) =>
      table({
        id: "disagreements",
        title: "Disagreements",
        note: `${count(reply.pagination.total)} rates`,
        rows: reply.items,
        exported: { path: "disagreements", values, name: "disagreements" },
        columns: [
          {
            key: "model",
            label: "Model",
            wide: true,
            value: (row) => row.model,
            cell: (row) => h("span.name", row.model, h("span.fine", row.modelProvider)),
          },
          { key: "kind", label: "Kind", value: (row) => row.kind, cell: (row) => row.kind },
          {
            key: "chosenRate",
            label: "Counts",
            right: true,
            value: (row) => row.chosenRate,
            cell: (row) => ["$" + row.chosenRate, h("div.fine", row.chosenSource)],
          },
          {
            key: "otherRate",
            label: "The other",
            right: true,
            value: (row) => row.otherRate,
            cell: (row) => ["$" + row.otherRate, h("div.fine", row.otherSource)],
          },
          {
            key: "use",
            label: "",
            name: "Actions",
            right: true,
            cell: (row) => (ctx.can("admin")
              ? h("a.button", {
                href: link("/prices/own", { newModel: row.model, newProvider: row.modelProvider }),
                "aria-label": `Own price for ${row.model}, ${row.kind}`,
              }, "Own price")
              : null),
          },
        ],
        empty: values.search ? `No model's name holds "${values.search}".` : "They agree.",
      }),
  });
}
