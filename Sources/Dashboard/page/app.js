// The shell: which page is shown, the period and the filters above it, search, theme, session, and the keys that work everywhere.

import { address, ApiError, get, session } from "./api.js";
import { announce, field, fill, formBox, h, icon, problem, select } from "./dom.js";
import { current, customRange, FILTERS, isZone, link, period, PERIODS } from "./state.js";
import { fromLocalText, localText } from "./time.js";

// What a path's first part names. `period`: the page looks at one, or says of which of its parts that holds; `filters`: it can be narrowed.
const PAGES = {
  overview: { title: "Overview", module: "./overview.js", period: true, filters: true },
  customers: { title: "Customers", module: "./entities.js", period: true, filters: true },
  features: { title: "Features", module: "./entities.js", period: true, filters: true },
  models: { title: "Models", module: "./entities.js", period: true, filters: true },
  events: { title: "Events", module: "./events.js", period: true, filters: false },
  prices: { title: "Prices", module: "./prices.js", period: (rest) => rest === "unpriced", filters: false },
  sources: { title: "Sources", module: "./sources.js", period: false, filters: false },
  health: { title: "Health", module: "./health.js", period: false, filters: false },
};

const main = document.getElementById("main");
let signedIn = null;
let turn = null;

function route(path) {
  const [, first, ...rest] = path.split("/");
  const name = first || "overview";
  return { name, rest: rest.join("/"), page: PAGES[name] };
}

// A path segment as it was written; one that was badly encoded stands as it is.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function go(url, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  return render(true);
}

// What a page gets: where it is, when to stop, and how to come back to itself.
function context(where, state) {
  const abort = new AbortController();
  const leave = [];
  return {
    state,
    span: period(state),
    rest: decoded(where.rest),
    name: where.name,
    signal: abort.signal,
    session: signedIn,
    can: (scope) => signedIn?.scopes.includes(scope) ?? false,
    go,
    onleave: (act) => leave.push(act),
    // Runs `act` again and again while somebody looks; never twice at once, and for a tenth of the time at most: what takes
    // long is asked for less often.
    every(milliseconds, act) {
      let timer = null;
      const turn = async () => {
        const started = performance.now();
        if (!document.hidden) {
          try {
            await act();
            main.querySelector(":scope > .passing")?.remove();
          } catch (error) {
            failed(error, abort.signal, true);
          }
        }
        if (!abort.signal.aborted) timer = setTimeout(turn, Math.max(milliseconds, 9 * (performance.now() - started)));
      };
      timer = setTimeout(turn, milliseconds);
      leave.push(() => clearTimeout(timer));
    },
    end() {
      abort.abort();
      for (const act of leave) act();
    },
  };
}

// A request that failed: an ended session leads to the sign-in, anything else is said where the page is, or quietly above it.
function failed(error, signal, quiet) {
  if (error.name === "AbortError" || signal?.aborted) return;
  if (error instanceof ApiError && error.status === 401) {
    signedIn = null;
    signIn();
    return;
  }
  if (!(error instanceof ApiError)) console.error(error);
  if (quiet) {
    main.querySelector(":scope > .passing")?.remove();
    const note = problem(error);
    note.classList.add("passing");
    main.prepend(note);
    return;
  }
  main.append(problem(error));
}

function hasPeriod({ period: has }, rest) {
  return typeof has === "function" ? has(rest) : has;
}

async function render(moved = false) {
  const state = current();
  const where = route(state.path);
  if (state.path === "/") {
    history.replaceState(null, "", link("/overview", {}, state));
    return render(moved);
  }
  if (where.name === "sign-in" || !signedIn) return signIn();
  turn?.end();
  // What floats over a page goes with it, by the back button too.
  if (moved) for (const box of document.querySelectorAll("dialog")) box.remove();
  const page = where.page;
  document.body.className = "";
  for (const item of document.querySelectorAll("#nav a[data-page]")) {
    const name = item.dataset.page;
    item.href = link("/" + name, name === "events" ? {} : { flow: null, unpriced: null }, state);
    if (name === where.name) item.setAttribute("aria-current", where.rest ? "true" : "page");
    else item.removeAttribute("aria-current");
  }
  closeMenu();
  if (!page) {
    document.title = "Not found - Purser";
    fill(main, h("h1", "Not found"), h("p", "There is no such page. ", h("a", { href: "/overview" }, "Overview")));
    return undefined;
  }
  const ctx = context(where, state);
  turn = ctx;
  document.title = `${page.title} - Purser`;
  const heading = h("h1", { tabindex: "-1" }, page.title);
  const head = h("div.page-head", h("div", heading, h("div.sub")), hasPeriod(page, where.rest) ? periodPicker(ctx) : null);
  const body = h("div.page");
  fill(main, head, page.filters ? chips(ctx) : null, body);
  ctx.heading = heading;
  ctx.sub = head.querySelector(".sub");
  ctx.body = body;
  if (moved) {
    window.scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }
  try {
    const module = await import(page.module);
    if (ctx.signal.aborted) return undefined;
    await module.draw(ctx);
    main.querySelector(":scope > .passing")?.remove();
    main.dataset.shown = state.path;
    if (moved) announce(`${document.title.replace(" - Purser", "")} shown`);
  } catch (error) {
    failed(error, ctx.signal);
  }
  return undefined;
}

// The period ------------------------------------------------------------------------------------------------------------

function periodPicker(ctx) {
  const { state, span } = ctx;
  const links = PERIODS.filter(([name]) => name !== "custom").map(([name, label]) =>
    h("a", {
      href: link(state.path, { period: name, from: null, to: null }, state),
      "aria-current": state.period === name ? "true" : null,
    }, label)
  );
  const custom = h("button", {
    type: "button",
    "aria-pressed": String(state.period === "custom"),
    onclick: () => customPeriod(ctx),
  }, "Custom");
  return h(
    "div.period",
    h("nav.segments", { "aria-label": "Period" }, links, custom),
    h(
      "span.fine",
      `${span.range}, `,
      h(
        "button.inline",
        { type: "button", onclick: () => customPeriod(ctx), "aria-label": `Time zone ${span.zone}, change` },
        span.zone,
      ),
    ),
  );
}

function customPeriod({ state, span }) {
  const zones = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  const list = [...new Set(["UTC", span.zone, ...zones])];
  const zone = select(list, span.zone);
  const from = h("input", { type: "datetime-local", value: localText(span.from, span.zone), required: true, step: "60" });
  const to = h("input", { type: "datetime-local", value: localText(span.to, span.zone), required: true, step: "60" });
  const box = formBox({
    title: "Period",
    fields: [
      h("div.row", field("From", from, "included"), field("Until", to, "not included")),
      field("Time zone", zone, "Days and months begin at its midnight."),
    ],
    button: "Show",
    extra: h("button", { type: "button", onclick: onlyZone }, "Set the zone only"),
    focus: from,
    act() {
      const [a, b] = [fromLocalText(from.value, zone.value), fromLocalText(to.value, zone.value)];
      if (a === null || b === null || b <= a) return "The end has to come after the beginning.";
      remember();
      box.close();
      go(link(state.path, customRange(a, b, zone.value), state));
      return undefined;
    },
  });

  function remember() {
    try {
      localStorage.setItem("purser.zone", zone.value);
    } catch {
      // It then stays in the address alone.
    }
  }
  function onlyZone() {
    remember();
    box.close();
    go(link(state.path, { tz: zone.value }, state));
  }
}

// The filters -----------------------------------------------------------------------------------------------------------

function chips({ state, name, rest }) {
  const own = { customers: "customer", features: "feature", models: "model" }[name];
  const set = FILTERS.filter((filter) => state[filter.name] && !(rest && filter.name === own));
  if (set.length === 0) return null;
  return h(
    "ul.chips",
    { "aria-label": "Filters" },
    set.map((filter) =>
      h(
        "li",
        h("span", h("span.fine", filter.label, " "), state[filter.name]),
        h("a", {
          href: link(state.path, { [filter.name]: null }, state),
          "aria-label": `Remove the filter ${filter.label} ${state[filter.name]}`,
        }, icon("close")),
      )
    ),
    h("li.clear", h("a", { href: link(state.path, Object.fromEntries(set.map((f) => [f.name, null])), state) }, "Clear all")),
  );
}

// Search ----------------------------------------------------------------------------------------------------------------

function searchBox() {
  const input = h("input", {
    type: "search",
    id: "jump-input",
    placeholder: "Find a customer, a model or an event key",
    "aria-label": "Find a customer, a model or an event key",
    autocomplete: "off",
    spellcheck: "false",
    "aria-controls": "jump-results",
  });
  const results = h("div.results", { id: "jump-results", hidden: true });
  const hint = h("kbd", { "aria-hidden": "true" }, "/");
  let timer = null;
  let asked = 0;
  const close = () => {
    results.hidden = true;
  };
  async function ask() {
    const text = input.value.trim();
    asked += 1;
    const mine = asked;
    if (!text || !signedIn) return close();
    const none = () => null;
    const [customers, models] = await Promise.all([
      get("customers", { search: text, limit: 5 }).catch(none),
      get("models", { search: text, limit: 5 }).catch(none),
    ]);
    if (mine !== asked) return undefined;
    const found = [];
    for (const one of customers?.items ?? []) {
      if (one.customerReferenceId === null) continue;
      const name = [one.firstName, one.lastName].filter(Boolean).join(" ");
      found.push([
        "Customer",
        name ? `${name} (${one.customerReferenceId})` : one.customerReferenceId,
        link("/customers/" + encodeURIComponent(one.customerReferenceId), { customer: null }),
      ]);
    }
    for (const one of models?.items ?? []) {
      found.push([
        "Model",
        `${one.modelProvider} ${one.model}`,
        link("/models/" + encodeURIComponent(one.model), { model: null, provider: one.modelProvider }),
      ]);
    }
    found.push(["Event", `with the key ${text}`, link("/events", { event: text })]);
    fill(
      results,
      h(
        "ul",
        found.map(([kind, label, href]) => h("li", h("a", { href, onclick: close }, h("span.fine", kind), h("span.name", label)))),
      ),
    );
    results.hidden = false;
    announce(`${found.length} found`);
    return undefined;
  }
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 180);
  });
  const box = h("div.jump-box", input, hint, results);
  box.addEventListener("keydown", (event) => {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && links.length) (links[at + 1] ?? links[0]).focus();
    else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] ?? input).focus();
    else if (event.key === "Enter" && document.activeElement === input && links.length) links[0].click();
    else if (event.key === "Escape") {
      close();
      input.focus();
    } else return;
    event.preventDefault();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!box.contains(event.target)) close();
  });
  return box;
}

// Signing in ------------------------------------------------------------------------------------------------------------

function signIn() {
  turn?.end();
  turn = null;
  const search = new URLSearchParams(location.search);
  const next = location.pathname === "/sign-in" ? search.get("next") : location.pathname + location.search;
  if (location.pathname !== "/sign-in") history.replaceState(null, "", "/sign-in?" + new URLSearchParams({ next }));
  document.title = "Sign in - Purser";
  document.body.className = "signing-in";
  const key = h("input", {
    type: "password",
    name: "key",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    placeholder: "sk_live_…",
  });
  const out = h("div", { "aria-live": "assertive" });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  // Browsers that keep passwords want to know whose they are.
  const user = h("input", { type: "text", name: "username", autocomplete: "username", value: "purser", hidden: true });
  const form = h("form.stack", user, field("API key", key), out, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      signedIn = await session.open(key.value.trim());
      key.value = "";
      who();
      // Only a path of this page: nothing that could lead elsewhere.
      await go(next && /^\/[^/\\]/.test(next) && !next.startsWith("/sign-in") ? next : "/overview", { replace: true });
    } catch (error) {
      fill(
        out,
        problem(
          error.code === "unauthorized"
            ? new ApiError(401, "unauthorized", "The daemon does not know this key.", error.errorId)
            : error,
        ),
      );
      key.focus();
    } finally {
      button.disabled = false;
    }
  });
  fill(
    main,
    h(
      "div.card",
      h("h1", "Sign in"),
      search.get("link") === "expired"
        ? h(
          "p.notice",
          icon("warn"),
          "That link was used before, or is too old. ",
          h("code", "purser dashboard"),
          " prints another.",
        )
        : null,
      h("p", "With a key of this daemon. The first one lies in its state directory, in the file ", h("code", "api-key"), "."),
      form,
      h("p.fine", "The key is sent to the daemon once. What stays in the browser is a cookie that scripts cannot read."),
    ),
  );
  key.focus();
}

function who() {
  const key = signedIn?.key;
  document.getElementById("who").textContent = key ? `${key.name ?? "unnamed"} ${key.hint} (${signedIn.scopes.join(", ")})` : "";
}

// Everywhere ------------------------------------------------------------------------------------------------------------

const menu = document.getElementById("menu-button");
function closeMenu() {
  menu.setAttribute("aria-expanded", "false");
}
menu.addEventListener("click", () => menu.setAttribute("aria-expanded", String(menu.getAttribute("aria-expanded") !== "true")));

const themes = document.getElementById("theme-button");
function theme() {
  return document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}
function nameTheme() {
  themes.textContent = theme() === "dark" ? "Light theme" : "Dark theme";
}
themes.addEventListener("click", () => {
  const chosen = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("purser.theme", chosen);
  } catch {
    // It then holds until the page is left.
  }
  nameTheme();
  // Charts are painted with the colours of when they were drawn.
  render();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  nameTheme();
  render();
});

document.getElementById("sign-out").addEventListener("click", async () => {
  try {
    await session.close();
  } catch (error) {
    if (error.status !== 401) return failed(error, null, true);
  }
  signedIn = null;
  who();
  history.pushState(null, "", "/sign-in");
  return signIn();
});

document.addEventListener("click", (event) => {
  const a = event.target.closest?.("a[href]");
  if (!a || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) {
    return;
  }
  const url = new URL(a.href);
  if (url.origin !== location.origin || a.hasAttribute("download") || a.target || url.pathname.startsWith(address(""))) return;
  if (a.getAttribute("href").startsWith("#")) {
    event.preventDefault();
    document.querySelector(a.getAttribute("href"))?.focus();
    return;
  }
  event.preventDefault();
  go(url.pathname + url.search);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input,textarea,select,dialog")) return;
  event.preventDefault();
  const field = document.getElementById("jump-input");
  field?.focus();
  field?.select();
});

window.addEventListener("popstate", () => render(true));

document.getElementById("jump").append(searchBox());
nameTheme();
try {
  signedIn = await session.get();
  who();
} catch (error) {
  if (error.status !== 401) fill(main, problem(error));
}
await render();
