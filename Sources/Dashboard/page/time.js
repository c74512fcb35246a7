// Instants, days and months in a time zone. An instant is milliseconds since 1970 here and RFC 3339 text outside; of the
// nanoseconds that the daemon writes nothing is lost where its own text is shown.

const forms = new Map();

// The wall clock of a zone at an instant.
export function clock(at, zone) {
  let form = forms.get(zone);
  if (!form) {
    form = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    forms.set(zone, form);
  }
  const out = {};
  for (const { type, value } of form.formatToParts(at)) out[type] = value;
  return out;
}

function wall(at, zone) {
  const c = clock(at, zone);
  return Date.UTC(c.year, c.month - 1, c.day, c.hour, c.minute, c.second);
}

// The instant at which clocks in a zone show this. Where clocks jump over it, the moment of the jump's other side.
export function instant(zone, year, month, day, hour = 0, minute = 0) {
  const wanted = Date.UTC(year, month - 1, day, hour, minute);
  let at = wanted;
  for (let turn = 0; turn < 3; turn += 1) at += wanted - wall(at, zone);
  return at;
}

export const HOUR = 3_600_000;

export function startOfDay(at, zone, days = 0) {
  const c = clock(at, zone);
  return instant(zone, +c.year, +c.month, +c.day + days);
}

export function startOfMonth(at, zone, months = 0) {
  const c = clock(at, zone);
  return instant(zone, +c.year, +c.month + months, 1);
}

export function floorHour(at) {
  return Math.floor(at / HOUR) * HOUR;
}

export function iso(at) {
  return new Date(at).toISOString().replace(/\.000Z$/, "Z");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function dayText(at, zone) {
  const c = clock(at, zone);
  return `${MONTHS[c.month - 1]} ${+c.day}`;
}

export function minuteText(at, zone) {
  const c = clock(at, zone);
  return `${MONTHS[c.month - 1]} ${+c.day}, ${c.hour}:${c.minute}`;
}

export function secondText(at, zone) {
  const c = clock(typeof at === "string" ? Date.parse(at) : at, zone);
  return `${MONTHS[c.month - 1]} ${+c.day}, ${c.hour}:${c.minute}:${c.second}`;
}

// For fields of the kind `datetime-local`.
export function localText(at, zone) {
  const c = clock(at, zone);
  return `${c.year}-${c.month}-${c.day}T${c.hour}:${c.minute}`;
}

export function fromLocalText(text, zone) {
  const match = /^(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(text);
  return match ? instant(zone, +match[1], +match[2], +match[3], +match[4], +match[5]) : null;
}

export function ago(text, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - Date.parse(text)) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

// The steps of a trend: what the daemon calls each, and when it begins.
export function buckets(from, to, unit, zone) {
  const out = [];
  if (unit === "hour") {
    for (let at = floorHour(from); at < to; at += HOUR) out.push({ key: iso(at), at });
    return out;
  }
  const start = unit === "day" ? startOfDay : startOfMonth;
  for (let step = 0, at = start(from, zone); at < to && step < 4000; step += 1, at = start(from, zone, step)) {
    const c = clock(at, zone);
    out.push({ key: `${c.year}-${c.month}` + (unit === "day" ? `-${c.day}` : ""), at });
  }
  return out;
}
