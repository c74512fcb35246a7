// How figures look: amounts with every digit, of which those beyond the cent are quieter; ratios; counts; changes.

import { change, grouped, isNegative, isZero, percent, places } from "./decimal.js";
import { h, icon } from "./dom.js";

// A dash for what there is nothing to show of, and in words for whoever listens.
export function dash(words) {
  return h("span.none", h("span", { "aria-hidden": "true" }, "\u2013"), h("span.sr", words));
}

// An amount in dollars, exact. `align`: places that the longest amount of its column has, so that points stand under points.
export function money(value, align) {
  if (value === undefined || value === null) return dash("not known");
  const negative = isNegative(value);
  const shown = grouped(negative ? value.slice(1) : value, 2);
  const cut = shown.indexOf(".") + 3;
  const tail = shown.slice(cut);
  const element = h(negative ? "span.money.negative" : "span.money", (negative ? "\u2212" : "") + "$" + shown.slice(0, cut));
  if (tail) element.append(h("span.tail", tail));
  if (align !== undefined && align > 2) {
    const pad = h("span.pad", { "aria-hidden": "true" });
    pad.style.width = `${align - 2 - tail.length}ch`;
    element.append(pad);
  }
  return element;
}

export function moneyText(value) {
  if (value === undefined || value === null) return "not known";
  return (isNegative(value) ? "\u2212$" : "$") + grouped(value.replace("-", ""), 2);
}

// For axes, where a bar's height is what counts.
export function shortMoney(number) {
  const size = Math.abs(number);
  const sign = number < 0 ? "\u2212$" : "$";
  if (size >= 1e6) return `${sign}${+(size / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${sign}${+(size / 1e3).toPrecision(3)}k`;
  if (size >= 1 || size === 0) return `${sign}${+size.toPrecision(4)}`;
  return `${sign}${size.toPrecision(2).replace(/\.?0+$/, "")}`;
}

export function ratio(value) {
  if (value === undefined || value === null) return dash("not known");
  return h(isNegative(value) ? "span.negative" : "span", grouped(percent(value), 2), "%");
}

export function count(value) {
  return value === undefined || value === null ? "\u2013" : grouped(value);
}

// "+12.4 %" against the period before; `better` says which way is good: 1 up, -1 down, 0 neither.
export function delta(now, before, better = 0) {
  if (now === undefined || before === undefined || now === null || before === null) return h("span.delta", "nothing to compare");
  const by = change(now, before);
  if (by === null) return h("span.delta", isZero(now) ? "same as before" : "nothing before");
  if (isZero(by)) return h("span.delta", "no change");
  const down = isNegative(by);
  const good = better === 0 ? "" : (better > 0) === !down ? ".good" : ".bad";
  const text = Math.abs(Number(by)) >= 1000
    ? (down ? "far less" : `${count(String(Math.round(Number(by) / 100 + 1)))}x`)
    : `${grouped(by.replace("-", ""), 1)}%`;
  return h(`span.delta${good}`, icon(down ? "down" : "up"), h("span.sr", down ? "down" : "up"), text);
}

// The most places that any of these amounts has.
export function longest(values) {
  return values.reduce((most, value) => (value === undefined || value === null ? most : Math.max(most, places(value))), 2);
}

export function bytes(value) {
  const size = Number(value);
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, size > 0 ? Math.floor(Math.log2(size) / 10) : 0);
  return `${+(size / 2 ** (10 * step)).toPrecision(3)} ${units[step]}`;
}

export function seconds(value) {
  if (value === undefined || value === null) return "\u2013";
  const size = Number(value);
  if (size < 0.001) return `${+(size * 1e6).toPrecision(3)} \u00b5s`;
  if (size < 1) return `${+(size * 1e3).toPrecision(3)} ms`;
  return `${+size.toPrecision(3)} s`;
}
