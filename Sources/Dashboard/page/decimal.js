// Exact decimals as text: "12.50", "-0.000000000001". Amounts and counts come from the daemon as decimal text and stay text;
// what has to be worked out is worked out in whole numbers of any size. Nothing here passes through a floating-point number,
// except `approximate`, which is for the heights of bars and nothing else.

const FORM = /^(-?)(\d+)(?:\.(\d+))?$/;

// A decimal as a whole number of 10^-scale.
function parts(text) {
  const match = FORM.exec(text);
  if (!match) throw new RangeError(`not a decimal: ${text}`);
  const fraction = match[3] ?? "";
  return { whole: BigInt(match[1] + match[2] + fraction), scale: fraction.length };
}

function raise(value, by) {
  return value * 10n ** BigInt(by);
}

function text(whole, scale) {
  const sign = whole < 0n ? "-" : "";
  const digits = (whole < 0n ? -whole : whole).toString().padStart(scale + 1, "0");
  const cut = digits.length - scale;
  const fraction = digits.slice(cut).replace(/0+$/, "");
  return sign + digits.slice(0, cut) + (fraction ? "." + fraction : "");
}

function aligned(a, b) {
  const [x, y] = [parts(a), parts(b)];
  const scale = Math.max(x.scale, y.scale);
  return [raise(x.whole, scale - x.scale), raise(y.whole, scale - y.scale), scale];
}

export function isDecimal(value) {
  return typeof value === "string" && FORM.test(value);
}

export function add(a, b) {
  const [x, y, scale] = aligned(a, b);
  return text(x + y, scale);
}

export function subtract(a, b) {
  const [x, y, scale] = aligned(a, b);
  return text(x - y, scale);
}

export function multiply(a, b) {
  const [x, y] = [parts(a), parts(b)];
  return text(x.whole * y.whole, x.scale + y.scale);
}

export function sum(values) {
  return values.reduce(add, "0");
}

// -1, 0 or 1.
export function compare(a, b) {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

// A decimal as a whole number of 10^-24, to sort many by: no amount or count has more places.
export function scaled(a) {
  const { whole, scale } = parts(a);
  if (scale > 24) throw new RangeError(`too many places: ${a}`);
  return raise(whole, 24 - scale);
}

export function isNegative(a) {
  return parts(a).whole < 0n;
}

export function isZero(a) {
  return parts(a).whole === 0n;
}

// numerator / denominator to whole numbers, half to even; the denominator is positive.
function halfEven(numerator, denominator) {
  let quotient = numerator / denominator;
  let rest = numerator % denominator;
  if (rest < 0n) {
    quotient -= 1n;
    rest += denominator;
  }
  const twice = rest * 2n;
  if (twice > denominator || (twice === denominator && quotient % 2n !== 0n)) quotient += 1n;
  return quotient;
}

// a / b to so many places, half to even; null when b is 0.
export function divide(a, b, places) {
  let [x, y] = aligned(a, b);
  if (y === 0n) return null;
  if (y < 0n) [x, y] = [-x, -y];
  return text(halfEven(raise(x, places), y), places);
}

export function round(a, places) {
  const { whole, scale } = parts(a);
  if (scale <= places) return text(whole, scale);
  return text(halfEven(whole, 10n ** BigInt(scale - places)), places);
}

// A ratio as a percentage: "0.7475" is "74.75".
export function percent(ratio) {
  return multiply(ratio, "100");
}

// (now - before) / |before| in percent, one place; null when there was nothing before.
export function change(now, before) {
  if (isZero(before)) return null;
  const base = isNegative(before) ? subtract("0", before) : before;
  return divide(multiply(subtract(now, before), "100"), base, 1);
}

// Thousands apart, and at least so many places: "1234.5", 2 is "1,234.50".
export function grouped(a, places = 0) {
  const [, sign, whole, fraction = ""] = FORM.exec(a) ?? [];
  if (whole === undefined) throw new RangeError(`not a decimal: ${a}`);
  const tail = fraction.replace(/0+$/, "").padEnd(places, "0");
  return (sign ? "\u2212" : "") + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (tail ? "." + tail : "");
}

// How many places a decimal has, zeros at the end not counted.
export function places(a) {
  return (FORM.exec(a)?.[3] ?? "").replace(/0+$/, "").length;
}

// For drawing only.
export function approximate(a) {
  return Number(a);
}
