// One event, everything about it: what it counts for, how its price came about line by line, what became of it, where it
// stands in the journal; and the way to take it out of every total.

import { getText, post, pretty, rawMember } from "./api.js";
import { divide, isZero, sum } from "./decimal.js";
import { confirm, copy, dialog, fill, h, problem, toast } from "./dom.js";
import { count, money, moneyText, ratio } from "./figures.js";
import { pageOf } from "./common.js";
import { exports, members } from "./table.js";
import { link } from "./state.js";
import { secondText } from "./time.js";

const REASONS = {
  no_model: "The event names no model.",
  unknown_model: "No price is known for this model.",
  unknown_provider: "No such provider is known.",
  ambiguous_model: "Several providers have a model of this name.",
  no_usage: "The event counts nothing that has a price.",
  no_rate: "The price has no rate for something that the event counts.",
  out_of_range: "The cost would be larger than an amount can be.",
};

const MATCHES = {
  none: "not matched",
  exact: "the name as it stands",
  case_folded: "in another case",
  prefix_stripped: "without a gateway's prefix",
  date_suffix_stripped: "without its date or version",
  catalogue_rule: "by a pattern of the catalogue",
};

// What is shown as rows of its own, not under "All fields".
const SHOWN = new Set(["priceDetail", "corrections", "meta", "usageObject", "usage"]);

export async function openEvent(ctx, key, onclose) {
  const body = h("div", h("p.fine", "Loading"));
  const box = dialog({ title: "Event", kind: "drawer", body, onclose });
  box.querySelector("h2").focus();
  const load = async () => {
    try {
      const { data, text } = await getText("events/" + encodeURIComponent(key), {}, ctx.signal);
      fill(body, content(ctx, data, text, load, box));
      // What was pressed to get here may be gone.
      if (!box.contains(document.activeElement)) box.querySelector("h2").focus();
    } catch (error) {
      if (error.name !== "AbortError") fill(body, problem(error));
    }
  };
  await load();
}

function rows(pairs) {
  return h(
    "dl.pairs",
    pairs.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [h("dt", name), h("dd", value)]),
  );
}

function part(title, ...children) {
  return h("section", h("h3", title), children);
}

// A part whose rows can be taken along.
function listed(title, exported, ...children) {
  return h("section", h("div.listed", h("h3", title), exports(exported)), children);
}

function content(ctx, event, text, reload, box) {
  const toPage = (
    kind,
    id,
    extra,
  ) => (id === null ? null : h("a", { href: pageOf(kind, id, extra), onclick: () => box.close() }, id));
  const when = (at) => h("time", { datetime: at }, secondText(at, ctx.span.zone), " ", h("span.fine", at));
  const margin = event.marginAmount !== undefined && event.revenueAmount !== undefined && !isZero(event.revenueAmount)
    ? divide(event.marginAmount, event.revenueAmount, 4)
    : undefined;
  return [
    event.voided
      ? h(
        "p.notice",
        h("strong", "Void: "),
        event.voidReason,
        ` (${secondText(event.voidedAt, ctx.span.zone)}). It counts in no total; its amounts are what it counted for before.`,
      )
      : null,
    h(
      "dl.cards.small",
      h("div.card-figure", h("dt", "Cost"), h("dd", h("span.figure", money(event.costAmount)))),
      h("div.card-figure", h("dt", "Revenue"), h("dd", h("span.figure", money(event.revenueAmount)))),
      h(
        "div.card-figure",
        h("dt", "Margin"),
        h("dd", h("span.figure", money(event.marginAmount)), margin !== undefined ? h("span.fine", ratio(margin)) : null),
      ),
    ),
    part(
      "What happened",
      rows([
        ["Event", event.eventName],
        ["Customer", toPage("customer", event.customerReferenceId)],
        ["Feature", toPage("feature", event.featureKey)],
        ["Model", toPage("model", event.model, { provider: event.modelProvider })],
        ["Provider", event.modelProvider],
        ["Occurred", when(event.occurredAt)],
        ["Recorded", when(event.recordedAt)],
        ["Units", event.usageUnits === undefined ? null : count(event.usageUnits)],
      ]),
    ),
    price(ctx, event, box),
    corrections(ctx, event),
    part(
      "Where it stands",
      rows([
        [
          "Idempotency key",
          h(
            "span",
            h("code", event.eventIdempotencyKey),
            event.keyGenerated ? h("span.fine", " made by the daemon") : null,
            " ",
            h("button.inline", {
              type: "button",
              onclick: () => copy(event.eventIdempotencyKey, "Key"),
              "aria-label": "Copy the idempotency key",
            }, "copy"),
          ),
        ],
        ["Sequence", count(event.sequence)],
        ["Journal", h("code", event.position ?? "")],
        [
          "Flow",
          event.flowId
            ? h("a", { href: link("/events", { flow: event.flowId }), onclick: () => box.close() }, h("code", event.flowId))
            : null,
        ],
      ]),
    ),
    event.meta ? part("Meta", h("pre", { tabindex: "0" }, pretty(rawMember(text, "meta") ?? ""))) : null,
    event.usageObject
      ? part("Usage as the provider sent it", h("pre", { tabindex: "0" }, pretty(rawMember(text, "usageObject") ?? "")))
      : null,
    h(
      "details.figures",
      h("summary", "All fields"),
      h(
        "div.scroll",
        { tabindex: "0", role: "group", "aria-label": "All fields" },
        rows(
          Object.entries(event).filter(([name, value]) => !SHOWN.has(name) && typeof value !== "object").map((
            [name, value],
          ) => [name, String(value)]),
        ),
      ),
    ),
    !event.voided && ctx.can("admin")
      ? h("div.actions.end", h("button.danger", { type: "button", onclick: () => askVoid(event, reload) }, "Void this event"))
      : null,
  ];
}

const LINE = ["kind", "count", "rate", "amount"];

// The price, as the daemon stored it with the event: count times rate, line by line, and the sum.
function price(ctx, event, box) {
  const detail = event.priceDetail ?? {};
  if (event.unpriced && !event.voided) {
    const reason = event.unpricedReason ?? detail.unpricedReason;
    return part(
      "Price",
      h(
        "div.notice",
        h(
          "div",
          h("strong", "No price. "),
          REASONS[reason] ?? reason,
          " It counts as no cost.",
          event.model !== null && ctx.can("admin")
            ? h(
              "p",
              h("a.button", {
                href: link("/prices/own", { newModel: event.model, newProvider: event.modelProvider }),
                onclick: () => box.close(),
              }, "Set a price"),
            )
            : null,
        ),
      ),
      usage(event),
    );
  }
  const source = event.priceSource === "client" ? "The cost was sent with the event." : h("code", event.priceSource);
  const lines = detail.lines ?? [];
  const title = (...children) =>
    lines.length
      ? listed("Price", { name: "price", columns: members(LINE, ["count", "rate", "amount"]), rows: lines }, children)
      : part("Price", children);
  return title(
    rows([
      ["Source", source],
      ["Name matched", detail.match ? MATCHES[detail.match] ?? detail.match : null],
      ["Conditions", detail.flags?.length ? detail.flags.join(", ") : null],
    ]),
    lines.length
      ? h(
        "div.scroll",
        { tabindex: "0", role: "group", "aria-label": "Price, line by line" },
        h(
          "table.lines",
          h("caption.sr", "How the cost came about"),
          h(
            "thead",
            h(
              "tr",
              ["Kind", "Count", "Rate a unit", "Amount"].map((label, index) =>
                h("th", { scope: "col", class: index ? "right" : null }, label)
              ),
            ),
          ),
          h(
            "tbody",
            lines.map((line) =>
              h(
                "tr",
                h("th", { scope: "row" }, line.kind),
                h("td.right", count(line.count)),
                h("td.right", moneyText(line.rate)),
                h("td.right", moneyText(line.amount)),
              )
            ),
          ),
          h(
            "tfoot",
            h(
              "tr",
              h("th", { scope: "row" }, "Sum, before it is rounded"),
              h("td"),
              h("td"),
              h("td.right", moneyText(sum(lines.map((line) => line.amount)))),
            ),
          ),
        ),
      )
      : null,
    usage(event),
  );
}

function usage(event) {
  const kinds = Object.entries(event.usage ?? {});
  if (kinds.length === 0) return null;
  return h(
    "div",
    h("h4", "Usage"),
    rows(kinds.map(([kind, value]) => [kind, count(value)])),
    event.unitsAsInput ? h("p.fine", "The units stand for input tokens, because no token counts were given.") : null,
  );
}

const CORRECTION = [
  "kind",
  "run",
  "at",
  "position",
  "costBefore",
  "unpricedReasonBefore",
  "costAfter",
  "priceSource",
  "reason",
];
const CORRECTIONS = { reprice: "Priced again", reverse: "Taken back", void: "Void" };

function corrections(ctx, event) {
  if (!event.corrections?.length) return null;
  return listed(
    "Corrections",
    {
      name: "corrections",
      columns: members(CORRECTION, ["run", "costBefore", "costAfter"]),
      rows: event.corrections,
    },
    h(
      "ol.history",
      event.corrections.map((one) =>
        h(
          "li",
          h("strong", CORRECTIONS[one.kind] ?? one.kind),
          one.run ? ` by run ${one.run}` : "",
          " ",
          h("span.fine", secondText(one.at, ctx.span.zone), " · ", h("code", one.position)),
          one.kind === "void" ? h("div", one.reason) : h(
            "div",
            one.costBefore === undefined ? `no price (${one.unpricedReasonBefore})` : moneyText(one.costBefore),
            " to ",
            one.costAfter === undefined ? "no price" : moneyText(one.costAfter),
            one.priceSource ? h("div", h("code", one.priceSource)) : null,
          ),
        )
      ),
    ),
  );
}

function askVoid(event, reload) {
  confirm({
    title: "Void this event?",
    text: `It leaves every total, for good: cost ${moneyText(event.costAmount)}, revenue ${
      moneyText(event.revenueAmount)
    }. It stays readable, and its key stays taken.`,
    reason: "Reason",
    button: "Void it",
    async act(reason) {
      await post(`events/${encodeURIComponent(event.eventIdempotencyKey)}/void`, { reason });
      toast("Void from now on");
      await reload();
    },
  });
}
