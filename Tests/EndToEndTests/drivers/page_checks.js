// What a page must keep to for keyboards and screen readers; run inside it, answers with what is wrong. The rules are those of
// WCAG 2.1 AA that a program can decide: names, roles, references, order, contrast, focus.
const wrong = [];
const shown = (element) => {
    for (let one = element; one; one = one.parentElement) {
        const style = getComputedStyle(one);
        if (one.hidden || style.display === "none" || style.visibility === "hidden") return false;
        if (one.tagName === "DETAILS" && !one.open && one !== element && !element.closest("summary")) return false;
    }
    return true;
};
const say = (rule, element) => wrong.push(`${rule}: ${element.outerHTML.slice(0, 160)}`);
const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
const textOf = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();

// The accessible name, as far as this page needs the algorithm.
function nameOf(element) {
    const by = element.getAttribute("aria-labelledby");
    if (by && textOf(by)) return textOf(by);
    const label = element.getAttribute("aria-label");
    if (label?.trim()) return label.trim();
    if (element.labels?.length) return [...element.labels].map((one) => one.textContent).join(" ").trim();
    if (element.alt !== undefined && element.alt) return element.alt;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName)) return element.title ?? "";
    return (element.textContent.trim() || element.title || "").trim();
}

if (!document.documentElement.lang) wrong.push("the page has no language");
if (!document.title.trim()) wrong.push("the page has no title");
if (all("main").length !== 1) wrong.push(`${all("main").length} main landmarks`);
if (all("h1").length !== 1) wrong.push(`${all("h1").length} headings of the first level`);
let level = 0;
for (const heading of all("h1, h2, h3, h4").filter((one) => !one.closest("dialog"))) {
    const own = Number(heading.tagName[1]);
    if (level && own > level + 1) say("a level of headings is left out", heading);
    if (!heading.textContent.trim()) say("an empty heading", heading);
    level = own;
}
const ids = new Map();
for (const element of document.querySelectorAll("[id]")) {
    if (ids.has(element.id)) say("an id stands twice", element);
    ids.set(element.id, element);
}
for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls], label[for]")) {
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
        for (const id of (element.getAttribute(attribute) ?? "").split(/\s+/).filter(Boolean)) {
            if (!ids.has(id)) say(`${attribute} leads nowhere`, element);
        }
    }
}
for (
    const element of all(
        "a[href], button, input, select, textarea, summary, canvas, dialog, [role=group], [role=region], [role=application], [role=tab], nav, section, form[role]",
    )
) {
    if (!nameOf(element)) say("no name", element);
}
for (const element of document.querySelectorAll("span[aria-label], div[aria-label], p[aria-label], pre[aria-label]")) {
    if (!element.getAttribute("role")) say("a name where none is read", element);
}
for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) say("an order of its own", element);
for (const element of all("a:not([href])")) say("a link without a target", element);
for (const element of all("button button, a a, a button, button a")) say("a control in a control", element);
for (const table of all("table")) {
    if (!table.caption && !table.closest("[aria-labelledby]")) say("a table without a caption", table);
    for (const head of table.querySelectorAll("th")) if (!head.scope) say("a head without a scope", head);
    for (const head of table.querySelectorAll("thead th")) if (!head.textContent.trim()) say("an empty head", head);
}
for (const list of all("ul, ol")) for (const child of list.children) if (child.tagName !== "LI") say("not an item", child);
for (const list of all("dl")) {
    for (const child of list.children) if (!["DT", "DD", "DIV"].includes(child.tagName)) say("not a term", child);
}
for (const element of all(".scroll, pre")) {
    if (element.scrollWidth > element.clientWidth + 1 && element.tabIndex < 0) say("scrolls, and not by keyboard", element);
}
const navs = all("nav, [role=navigation]").map(nameOf);
for (const name of navs) if (navs.filter((one) => one === name).length > 1) wrong.push(`two navigations are called ${name}`);

// Contrast: ink against the grounds behind it, as they are painted.
function parse(color) {
    const numbers = color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return { r: numbers[0], g: numbers[1], b: numbers[2], a: numbers[3] ?? 1 };
}
function over(top, below) {
    const mix = (one) => top[one] * top.a + below[one] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
}
function ground(element) {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
        const color = parse(getComputedStyle(one).backgroundColor);
        if (color.a > 0) layers.push(color);
        if (color.a === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), { r: 255, g: 255, b: 255, a: 1 });
}
function light({ r, g, b }) {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}
function contrast(a, b) {
    const [x, y] = [light(a), light(b)].sort((one, other) => other - one);
    return (x + 0.05) / (y + 0.05);
}
// Links within a text are known by more than their colour.
for (const element of all("a[href]:not(.button):not(.tool)")) {
    const around = element.parentElement;
    const hasText = [...around.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
    const style = getComputedStyle(element);
    if (!hasText || style.display !== "inline" || style.textDecorationLine.includes("underline")) continue;
    if (contrast(parse(style.color), parse(getComputedStyle(around).color)) < 3) say("a link that only its colour shows", element);
}
let measured = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const seen = new Set();
while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || seen.has(element) || !shown(element)) continue;
    if (element.closest(".sr, .skip, script, style, noscript, [disabled], option, tr.fresh")) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const back = ground(element);
    const value = contrast(over(parse(style.color), back), back);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    measured += 1;
    if (value < (large ? 3 : 4.5)) say(`contrast ${value.toFixed(2)}`, element);
}
if (measured < 10) wrong.push(`only ${measured} texts were measured`);
for (const element of all("input:not([type=checkbox]), select, textarea")) {
    const style = getComputedStyle(element);
    if (contrast(parse(style.borderTopColor), ground(element.parentElement)) < 3) {
        say("the edge of a field is hardly seen", element);
    }
}
// The focus is to be seen: an outline, at least two pixels, of a colour that stands out.
for (const element of all("a[href], button, input, select, summary").slice(0, 60)) {
    if (element.disabled) continue;
    element.focus({ focusVisible: true, preventScroll: true });
    const style = getComputedStyle(element);
    if (document.activeElement !== element) continue;
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) say("the focus is not seen", element);
    else if (contrast(parse(style.outlineColor), ground(element.parentElement)) < 3) say("the focus hardly stands out", element);
}
document.activeElement?.blur();
if (document.documentElement.scrollWidth > window.innerWidth) {
    const widest = all("body *").filter((one) =>
        one.getBoundingClientRect().right > window.innerWidth + 1 && !one.closest(".scroll, .segments, pre, canvas")
    );
    wrong.push(
        `wider than the window: ${document.documentElement.scrollWidth} of ${window.innerWidth}: ${
            widest[0]?.outerHTML.slice(0, 160) ?? ""
        }`,
    );
}
return wrong;
