// What is looked at: the page, the period and the filters. All of it is in the address, so that a link, a reload and the back
// button show the same.

import { dayText, floorHour, HOUR, instant, iso, minuteText, startOfDay, startOfMonth } from "./time.js";

// Name in the address, name in the API, how margins group by it, and what people call it.
export const FILTERS = [
  { name: "customer", api: "customerReferenceId", group: "customer", label: "Customer" },
  { name: "feature", api: "featureKey", group: "feature", label: "Feature" },
  { name: "model", api: "model", group: "model", label: "Model" },
  { name: "provider", api: "modelProvider", group: "provider", label: "Provider" },
  { name: "name", api: "eventName", group: "eventName", label: "Event name" },
  { name: "flow", api: "flowId", label: "Flow" },
  { name: "unpriced", api: "unpriced", label: "Unpriced" },
];

export const PERIODS = [
  ["today", "Today"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["month", "This month"],
  ["custom", "Custom"],
];

// What stays in the address from page to page.
const KEPT = ["period", "from", "to", "tz", ...FILTERS.map((filter) => filter.name)];

export function homeZone() {
  try {
    return localStorage.getItem("purser.zone") || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  } catch {
    return "UTC";
  }
}

export function isZone(name) {
  try {
    return Boolean(new Intl.DateTimeFormat("en-US", { timeZone: name }));
  } catch {
    return false;
  }
}

export function current(location = window.location) {
  const search = new URLSearchParams(location.search);
  const state = { path: location.pathname, search };
  for (const [name, value] of search) if (!(name in state)) state[name] = value;
  if (!PERIODS.some(([name]) => name === state.period)) state.period = state.from ? "custom" : "7d";
  state.zone = state.tz && isZone(state.tz) ? state.tz : homeZone();
  return state;
}

// An address of this page or another with what is kept from the one before. `changes` of null take something away.
export function link(path, changes = {}, state = current()) {
  const search = new URLSearchParams();
  for (const name of KEPT) {
    const value = name in changes ? changes[name] : state.search.get(name);
    if (value !== null && value !== undefined && value !== "") search.set(name, value);
  }
  for (const [name, value] of Object.entries(changes)) {
    if (!KEPT.includes(name) && value !== null && value !== undefined && value !== "") search.set(name, value);
  }
  const text = search.toString();
  return path + (text ? "?" + text : "");
}

function parseInstant(text) {
  const at = Date.parse(text ?? "");
  return Number.isNaN(at) ? null : at;
}

// The period in instants, the one before it, and how it is called. Edges are whole hours wherever they may be: such a range
// is answered from sums. The period before ends as far into it as this one has come, to the hour.
export function period(state = current(), now = Date.now()) {
  const zone = state.zone;
  const next = floorHour(now) + HOUR;
  let from;
  let to = next;
  let before;
  let open = true;
  switch (state.period) {
    case "today":
      from = startOfDay(now, zone);
      before = startOfDay(now, zone, -1);
      break;
    case "24h":
      from = next - 24 * HOUR;
      before = from - 24 * HOUR;
      break;
    case "30d":
      from = startOfDay(now, zone, -29);
      before = startOfDay(now, zone, -59);
      break;
    case "month":
      from = startOfMonth(now, zone);
      before = startOfMonth(now, zone, -1);
      break;
    case "custom": {
      from = parseInstant(state.from) ?? startOfDay(now, zone, -6);
      to = parseInstant(state.to) ?? next;
      if (to <= from) to = from + HOUR;
      before = from - (to - from);
      open = to > now;
      break;
    }
    default:
      from = startOfDay(now, zone, -6);
      before = startOfDay(now, zone, -13);
  }
  const beforeTo = Math.min(from, before + (to - from));
  const span = to - from;
  const units = [span <= 14 * 24 * HOUR ? "hour" : null, span > 24 * HOUR ? "day" : null, span > 60 * 24 * HOUR ? "month" : null];
  const allowed = units.filter(Boolean);
  const natural = span <= 49 * HOUR ? "hour" : span <= 400 * 24 * HOUR ? "day" : "month";
  const unit = allowed.includes(state.step) ? state.step : allowed.includes(natural) ? natural : allowed[0];
  return { from, to, before, beforeTo, open, unit, units: allowed, zone, range: rangeText(from, to, zone, open) };
}

function rangeText(from, to, zone, open) {
  if (open) return `${minuteText(from, zone)} until now`;
  const whole = startOfDay(from, zone) === from && startOfDay(to, zone) === to;
  if (!whole) return `${minuteText(from, zone)} to ${minuteText(to, zone)}`;
  const last = to - HOUR;
  return startOfDay(last, zone) === from ? dayText(from, zone) : `${dayText(from, zone)} to ${dayText(last, zone)}`;
}

// `from`, `to` and `timezone` as the API has them. A period that goes on has no end.
export function range(span) {
  return { from: iso(span.from), to: span.open ? undefined : iso(span.to), timezone: span.zone };
}

export function rangeBefore(span) {
  return { from: iso(span.before), to: iso(span.beforeTo), timezone: span.zone };
}

export function customRange(from, to, zone) {
  return { period: "custom", from: iso(from), to: iso(to), tz: zone, step: null };
}

export { instant };
