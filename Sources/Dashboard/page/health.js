// Health: how much comes in, how fast it is answered, how much room there is, and what was refused, with examples.

import { get } from "./api.js";
import { chart } from "./charts.js";
import { divide, isZero } from "./decimal.js";
import { h, notice } from "./dom.js";
import { bytes, count, seconds } from "./figures.js";
import { slot } from "./common.js";
import { sender } from "./sources.js";
import { members, table } from "./table.js";
import { ago, secondText } from "./time.js";

const REASONS = {
  stopping: "It is stopping.",
  storage_failed: "Writing to the journal failed.",
  storage_full: "The disk is full: events are refused, reading works.",
  journal_stalled: "The disk does not finish writing.",
  journal_damaged: "Part of the journal cannot be read: the log says which.",
  keys_not_written: "Keys cannot be written to disk.",
  projection_stalled: "The books do not follow the journal.",
};

// The rates seen since the page was opened, the newest last.
const KEPT = 150;

export async function draw(ctx) {
  const [state, tiles, rates, refused] = Array.from({ length: 4 }, () => slot());
  ctx.body.append(state.element, tiles.element, rates.element, refused.element);
  const seen = [];

  async function load() {
    const status = await get("status", {}, ctx.signal);
    seen.push({ at: Date.parse(status.now), rate: status.rate.last1s });
    if (seen.length > KEPT) seen.shift();
    state.set(
      [status.ready, status.reason],
      () => (status.ready
        ? h("p.fine.live", { role: "status" }, "Recording events")
        : notice(h("strong", status.reason ?? "Not ready"), " ", REASONS[status.reason] ?? "")),
    );
    tiles.set(status, () => figures(ctx, status));
    rates.set(seen, () => trend(ctx, seen));
    refused.set(status.rejections, () => rejections(status));
  }
  await load();
  ctx.every(2000, load);
}

function figures(ctx, status) {
  const card = (label, value, note) =>
    h("div.card-figure", h("dt", label), h("dd", h("span.figure", value), note ? h("span.fine", note) : null));
  const { rate, answers, disk, events, projection } = status;
  const whole = (value) => count(divide(value, "1", 0));
  const free = isZero(disk.totalBytes)
    ? null
    : `${(Number(divide(disk.freeBytes, disk.totalBytes, 4)) * 100).toFixed(1)}% of ${bytes(disk.totalBytes)}`;
  return h(
    "dl.cards.fours",
    card("Events a second", whole(rate.last1s), `${whole(rate.last5s)} over 5 s, ${whole(rate.last60s)} over a minute`),
    card(
      "Answer, median",
      answers.count === "0" ? "\u2013" : seconds(answers.p50Seconds),
      `of ${count(answers.count)} in ${count(answers.windowSeconds)} s`,
    ),
    card("Answer, 99 of 100", answers.count === "0" ? "\u2013" : seconds(answers.p99Seconds), "from arrival to on disk"),
    card("Recorded", count(events.recorded), `${count(events.duplicates)} duplicates, ${count(events.rejected)} rejected`),
    card("Journal", bytes(disk.journalBytes)),
    card("Disk free", bytes(disk.freeBytes), free),
    card("Books behind by", bytes(projection.lagBytes), "of journal"),
    card("Purser", status.version, `up since ${secondText(status.startedAt, ctx.span.zone)}`),
  );
}

function trend(ctx, seen) {
  const last = seen[seen.length - 1];
  return chart({
    title: "Events a second",
    axis: "Time",
    whole: true,
    short: (value) => count(String(Math.round(value))),
    labels: seen.map((one) => secondText(one.at, ctx.span.zone).split(", ")[1]),
    series: [{
      label: "Events a second",
      color: "accent",
      kind: "line",
      values: seen.map((one) => one.rate),
      text: seen.map((one) => count(one.rate)),
    }],
    summary: `Since this page was opened; ${count(last.rate)} now.`,
  });
}

const EXAMPLE = ["code", "events", "at", "field", "message", "from", "listener", "protocol"];

// A line for each example, so that nothing of the table is missing in the export.
function examples(row) {
  const code = row.outcome ?? row.code;
  return row.examples.length
    ? row.examples.map((one) => ({ ...one, code, events: row.events, from: sender(one) }))
    : [{ code, events: row.events }];
}

function rejections(status) {
  return table({
    id: "rejections",
    title: "What was refused",
    note: "since the start of the daemon",
    rows: status.rejections,
    exported: { name: "rejections", columns: members(EXAMPLE, ["events"]), rows: status.rejections.flatMap(examples) },
    columns: [
      { key: "code", label: "Code", value: (row) => row.outcome ?? row.code, cell: (row) => h("code", row.outcome ?? row.code) },
      { key: "events", label: "Events", right: true, decimal: true, value: (row) => row.events, cell: (row) => count(row.events) },
      {
        key: "examples",
        label: "Examples",
        wide: true,
        cell: (row) =>
          h(
            "ul.plain-list",
            row.examples.map((one) =>
              h(
                "li",
                one.field && !one.message.startsWith(one.field) ? [h("code", one.field), " "] : null,
                one.message,
                " ",
                h("span.fine", `${sender(one)}, ${ago(one.at)}`),
              )
            ),
          ),
      },
    ],
    empty: "Nothing was refused.",
  });
}
