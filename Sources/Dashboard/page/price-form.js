// A price of one's own: setting it, ending it, and what it did to the events that had waited for one.

import { get, post } from "./api.js";
import { isZero } from "./decimal.js";
import { field, fill, formBox, h, problem, select, toast } from "./dom.js";
import { count, moneyText } from "./figures.js";
import { link } from "./state.js";
import { fromLocalText, iso, localText } from "./time.js";
import { simulation } from "./what-if.js";

const KINDS = [["input", "Input"], ["output", "Output"], ["cacheRead", "Cached input"], ["cacheWrite", "Cache write"]];

// An identifier from a model's name, as the daemon takes them.
function suggestion(model) {
  return model.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64) || "price";
}

function text(value, attributes = {}) {
  return h("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false", ...attributes });
}

export function priceForm(ctx, preset, done) {
  const zone = ctx.span.zone;
  const id = text(preset.model ? suggestion(preset.model) : "", {
    required: true,
    maxlength: "64",
    pattern: "[A-Za-z0-9._\\-]{1,64}",
  });
  const provider = text(preset.provider);
  const model = text(preset.model);
  const feature = text("");
  const from = h("input", { type: "datetime-local", step: "60" });
  const until = h("input", { type: "datetime-local", step: "60" });
  const rates = new Map(KINDS.map(([kind]) => [kind, text("", { inputmode: "decimal", placeholder: "0.00" })]));
  const others = text("", { placeholder: "webSearches=0.01, seconds=0.36/h" });
  const discount = text("", { inputmode: "decimal", placeholder: "12.5" });
  const perUnit = text("", { inputmode: "decimal", placeholder: "0.002" });
  const sort = select(
    [["rates", "Rates"], ["discount", "A discount off the catalogue"], ["unit", "An amount for every unit"]],
    "rates",
  );
  const forms = {
    rates: h(
      "div.stack",
      h("div.row.twos", KINDS.map(([kind, label]) => field(`${label}, $ per million`, rates.get(kind)))),
      field("Other rates", others, "kind=rate, with /M, /k, /h or /min; without one it is per unit"),
    ),
    discount: field("Percent off", discount),
    unit: field("USD per unit", perUnit),
  };
  const swap = () =>
    Object.entries(forms).forEach(([name, part]) => {
      part.hidden = name !== sort.value;
    });
  sort.addEventListener("change", swap);
  swap();
  const box = formBox({
    title: "A price of your own",
    fields: [
      h("div.row", field("Provider", provider, "any, if empty"), field("Model", model, "a name, or a pattern with *")),
      h("div.row", field("Feature", feature, "any, if empty"), field("Name of the price", id, "the same name again replaces it")),
      h("div.row", field("From", from, `included, ${zone}; always, if empty`), field("Until", until, "not included; open, if empty")),
      field("What it is", sort),
      Object.values(forms),
    ],
    button: "Set the price",
    extra: h("button", { type: "button", onclick: preview }, "What would it change?"),
    focus: preset.model ? rates.get("input") : model,
    act: save,
  });

  function body() {
    const out = { id: id.value.trim() };
    if (provider.value.trim()) out.provider = provider.value.trim();
    if (model.value.trim()) out.model = model.value.trim();
    if (feature.value.trim()) out.feature = feature.value.trim();
    if (from.value) out.from = iso(fromLocalText(from.value, zone));
    if (until.value) out.until = iso(fromLocalText(until.value, zone));
    if (sort.value === "discount") out.discountPercent = discount.value.trim();
    else if (sort.value === "unit") out.perUnit = perUnit.value.trim();
    else {
      out.rates = {};
      for (const [kind, input] of rates) if (input.value.trim()) out.rates[kind] = input.value.trim() + "/M";
      for (const piece of others.value.split(",")) {
        const [kind, rate] = piece.split("=").map((word) => word.trim());
        if (kind) out.rates[kind] = rate ?? "";
      }
    }
    return out;
  }
  async function preview() {
    if (!box.form.reportValidity()) return;
    fill(box.out, h("p.fine", "Working it out"));
    try {
      const now = Date.now();
      const result = await post("simulations", { prices: [body()], groupBy: ["customer"], from: iso(now - 30 * 86_400_000) });
      fill(box.out, h("p.fine", "As if it had held for the last 30 days:"), simulation(ctx, result, { id: "preview" }));
    } catch (error) {
      fill(box.out, problem(error));
    }
  }
  async function save() {
    const newest = (await get("reprices")).items[0]?.id ?? "0";
    await post("prices", body());
    fill(
      box.form,
      h("p", { role: "status" }, h("strong", "It counts from now on.")),
      h("div", { id: "priced", "aria-live": "polite" }, h("p.fine", "Looking for events that had waited for it")),
      h("div.actions", h("button.primary", { type: "button", onclick: () => box.close() }, "Done")),
    );
    box.form.querySelector("button").focus();
    done();
    await follow(box.form.querySelector("#priced"), newest);
  }
}

// The daemon prices by itself what had no cost; that is a run of its own, which comes a moment later.
async function follow(place, newest) {
  for (let turn = 0; turn < 20; turn += 1) {
    const { items } = await get("reprices");
    const run = items.find((one) => one.kind === "pricing" && BigInt(one.id) > BigInt(newest));
    if (run && run.status !== "running") {
      fill(
        place,
        h(
          "p",
          isZero(run.events)
            ? "No event had waited for it."
            : `${count(run.newlyPriced)} events that had no price have one now: cost ${moneyText(run.costDifference)}.`,
        ),
        h("p.fine", "What had a cost keeps it until it is ", h("a", { href: link("/prices/reprice") }, "priced again"), "."),
      );
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  fill(
    place,
    h(
      "p.fine",
      "No event had waited for it so far. What had a cost keeps it until it is ",
      h("a", { href: link("/prices/reprice") }, "priced again"),
      ".",
    ),
  );
}

export function endPrice(ctx, row, done) {
  const until = h("input", { type: "datetime-local", step: "60", required: true, value: localText(Date.now(), ctx.span.zone) });
  formBox({
    title: `End ${row.id}`,
    fields: field("Until", until, `not included, ${ctx.span.zone}`),
    button: "End it",
    focus: until,
    async act(box) {
      await post("prices", { ...asSent(row), until: iso(fromLocalText(until.value, ctx.span.zone)) });
      box.close();
      toast("It ends then");
      done();
    },
  });
}

// A price as it is listed, as a price that can be set.
function asSent(row) {
  const out = {
    id: row.id,
    provider: row.modelProvider ?? null,
    model: row.model ?? null,
    feature: row.featureKey ?? null,
    from: row.from ?? null,
  };
  if (row.perUnit !== undefined) return { ...out, perUnit: row.perUnit };
  if (row.discountPercent !== undefined) return { ...out, discountPercent: row.discountPercent };
  const rates = (card) => Object.fromEntries(card.rates.map((rate) => [rate.kind.replace(/Tokens$/, ""), rate.rate]));
  const variants = [];
  for (const card of row.cards ?? []) {
    if (card.conditions.length === 0) out.rates = rates(card);
    else {
      const conditions = Object.fromEntries(card.conditions.map((one) => one.split(":")));
      variants.push({
        ...(conditions.tier ? { tier: conditions.tier } : {}),
        ...(conditions.above ? { above: Number(conditions.above) } : {}),
        rates: rates(card),
      });
    }
  }
  if (variants.length) out.variants = variants;
  return out;
}
