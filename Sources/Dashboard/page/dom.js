// Making elements. Text goes in as text: nothing in this page turns a string into markup.

const SVG = "http://www.w3.org/2000/svg";

function put(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// h("button.quiet", { type: "button", onclick: f, "aria-label": "Close" }, "×")
export function h(name, options, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  const isOptions = options && Object.getPrototypeOf(options) === Object.prototype;
  if (!isOptions && options !== undefined) children.unshift(options);
  for (const [key, value] of Object.entries(isOptions ? options : {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "open") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  put(element, children);
  return element;
}

// A name that may go on in the next line where its parts meet, and nowhere else unless it must.
export function parted(text) {
  return text.split(/(?<=[.@_/-])(?=.)/u).flatMap((part, index) => (index ? [h("wbr"), part] : [part]));
}

export function fill(element, ...children) {
  element.replaceChildren();
  put(element, children);
  return element;
}

const ICONS = {
  close: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2.2l6.3 11H1.7zM8 6.300v3.200M8 11.400v.2",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Says something to whoever listens instead of looking; what is already said is not said again.
let said = "";
export function announce(text) {
  if (text === said) return;
  said = text;
  document.getElementById("live").textContent = text;
}

let number = 0;
export function unique(prefix) {
  number += 1;
  return `${prefix}-${number}`;
}

// A labelled field: the control's label, and what helps to fill it in.
export function field(label, control, hint) {
  const id = control.id || (control.id = unique("f"));
  const help = hint ? h("span.hint", { id: id + "-hint" }, hint) : null;
  if (help) control.setAttribute("aria-describedby", help.id);
  return h("div.field", h("label", { for: id }, label), control, help);
}

export function select(options, value, attributes = {}) {
  const list = options.map((option) => {
    const [key, label] = Array.isArray(option) ? option : [option, option];
    return h("option", { value: key, selected: key === value }, label);
  });
  const control = h("select", attributes, list);
  control.value = value;
  return control;
}

// A refusal, with what an operator needs to find it in the log.
export function problem(error) {
  const code = error.code ?? error.name;
  return h(
    "div.notice.bad",
    { role: "alert" },
    icon("warn"),
    h("div", h("strong", code), " ", error.message, error.errorId ? h("div.fine", "Error id ", h("code", error.errorId)) : null),
  );
}

export function notice(...children) {
  return h("div.notice", icon("warn"), h("div", children));
}

// A note that goes by itself.
export function toast(text) {
  const box = h("div.toast", text);
  const host = document.querySelector("dialog[open]:last-of-type") ?? document.body;
  host.append(box);
  announce(text);
  setTimeout(() => box.remove(), 4000);
}

// A modal dialog: the browser keeps the focus inside, closes it on Escape; the focus goes back to where it was.
export function dialog({ title, kind = "box", body, onclose }) {
  const back = document.activeElement;
  const heading = h("h2", { id: unique("d"), tabindex: "-1" }, title);
  const close = h("button.plain.close", { type: "button", "aria-label": "Close", onclick: () => box.close() }, icon("close"));
  const box = h(
    `dialog.${kind}`,
    { "aria-labelledby": heading.id },
    h("div.dialog-head", heading, close),
    h("div.dialog-body", body),
  );
  box.addEventListener("close", () => {
    box.remove();
    onclose?.();
    // What opened it may have been drawn anew meanwhile.
    const href = back?.getAttribute("href");
    const again = back?.isConnected
      ? back
      : [...document.querySelectorAll("main a")].find((one) => href && one.getAttribute("href") === href);
    (again ?? document.getElementById("main")).focus();
  });
  // A click beside it closes it, as Escape does.
  box.addEventListener("mousedown", (event) => {
    if (event.target === box) box.close();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

// What a form does when it is sent. Its button rests meanwhile; a refusal is shown at `place`. `act` answers with a text when something
// is wrong before the daemon was asked.
export function onsubmit(form, button, place, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const wrong = await act();
      if (typeof wrong === "string") fill(place, h("p.notice.bad", { role: "alert" }, wrong));
    } catch (error) {
      if (error.name !== "AbortError") fill(place, problem(error));
    }
    button.disabled = false;
  });
  return form;
}

// A form in a dialog, with a way out. `act(box)` closes the box when it is done, or fills `box.form` with what came of it; what it
// says is wrong is shown in `box.out`. `extra`: further buttons; `kind`: how the button looks that sends it.
export function formBox({ title, fields, button, kind = "primary", extra, focus, act }) {
  const out = h("div", { "aria-live": "polite" });
  const go = h(`button.${kind}`, { type: "submit" }, button);
  const cancel = h("button", { type: "button", onclick: () => box.close() }, "Cancel");
  const form = h("form.stack", fields, out, h("div.actions", extra, cancel, go));
  const box = dialog({ title, body: form });
  box.form = form;
  box.out = out;
  onsubmit(form, go, out, () => act(box));
  (focus ?? cancel).focus();
  return box;
}

// Asks before something that cannot be undone, with a reason where one is due. `act` may fail: the dialog then says so and stays.
export function confirm({ title, text, button, reason, act }) {
  const input = reason ? h("input", { type: "text", required: true, maxlength: "256", autocomplete: "off" }) : null;
  formBox({
    title,
    fields: [h("p", text), input ? field(reason, input) : null],
    button,
    kind: "danger",
    focus: input,
    async act(box) {
      await act(input?.value.trim());
      box.close();
    },
  });
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast("The browser does not allow copying here: select the text and copy it by hand");
  }
}

export function download(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
