// What to paste into an application so that its events come here: the same event four times, for this daemon's address.

import { copy, h } from "./dom.js";
import { link } from "./state.js";

export const PLACEHOLDER = "sk_live_YOUR_KEY";

const curl = (url, key) =>
  `curl -sS --fail-with-body ${url}/api/v1/client/events \\
  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
  -d '{"eventName":"chat.completion","customerReferenceId":"cust-42","featureKey":"ai.chat",
       "revenueAmount":"0.01","costInput":{"model":"gpt-4o-mini","modelProvider":"openai",
       "inputTokens":1200,"outputTokens":300}}'
`;

const node = (url, key) =>
  `const completion = { usage: { prompt_tokens: 1200, completion_tokens: 300 } }; // what the provider answered

const response = await fetch("${url}/api/v1/client/events", {
  method: "POST",
  headers: { Authorization: "Bearer ${key}", "Content-Type": "application/json" },
  body: JSON.stringify({
    eventName: "chat.completion",
    eventIdempotencyKey: crypto.randomUUID(), // the same again counts once
    customerReferenceId: "cust-42",
    featureKey: "ai.chat",
    revenueAmount: "0.01",
    costInput: { model: "gpt-4o-mini", modelProvider: "openai", usage: completion.usage },
  }),
});
console.log(response.status, await response.text());
`;

const python = (url, key) =>
  `import json, urllib.request, uuid

request = urllib.request.Request(
    "${url}/api/v1/client/events",
    headers={"Authorization": "Bearer ${key}", "Content-Type": "application/json"},
    data=json.dumps({
        "eventName": "chat.completion",
        "eventIdempotencyKey": str(uuid.uuid4()),  # the same again counts once
        "customerReferenceId": "cust-42",
        "featureKey": "ai.chat",
        "revenueAmount": "0.01",
        "costInput": {
            "model": "gpt-4o-mini",
            "modelProvider": "openai",
            "usage": {"prompt_tokens": 1200, "completion_tokens": 300},
        },
    }).encode(),
)
with urllib.request.urlopen(request) as response:
    print(json.load(response)["data"])
`;

const swift = (host, key) =>
  `import Client

var options = PurserClient.Options()
options.key = "${key}"
var client = try PurserClient("tcp:${host}", options: options)
let event = UsageEvent(
    name: "chat.completion", customer: "cust-42", feature: "ai.chat", model: "gpt-4o-mini", provider: "openai",
    revenue: Money(picodollars: 10_000_000_000),
    usage: [
        UsageLine(kind: .inputTokens, quantity: Quantity(millionths: 1_200_000_000)),
        UsageLine(kind: .outputTokens, quantity: Quantity(millionths: 300_000_000)),
    ])
print(try client.record([event], detail: true))
`;

const LANGUAGES = [
  ["curl", "curl", (key) => curl(location.origin, key)],
  ["node", "Node", (key) => node(location.origin, key)],
  ["python", "Python", (key) => python(location.origin, key)],
  ["swift", "Swift", (key) => swift(location.host, key)],
];

// The snippets as tabs. `key`: one that was made just now, or nothing.
export function snippets(key) {
  const bar = h("div.tabs", { role: "tablist", "aria-label": "Language" });
  const code = h("pre", { tabindex: "0", role: "group" }, h("code"));
  const panel = h(
    "div.snippet",
    { role: "tabpanel", id: "snippet" },
    code,
    h("button.copy", { type: "button", onclick: () => copy(code.textContent, "Snippet") }, "Copy"),
  );
  const tabs = LANGUAGES.map(([id, label], index) =>
    h("button", {
      type: "button",
      role: "tab",
      id: `tab-${id}`,
      "aria-controls": "snippet",
      onclick: () => choose(index),
      onkeydown: (event) => move(event, index),
    }, label)
  );
  bar.append(...tabs);

  function choose(index) {
    tabs.forEach((tab, other) => {
      tab.setAttribute("aria-selected", String(other === index));
      tab.tabIndex = other === index ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", tabs[index].id);
    code.setAttribute("aria-label", `${LANGUAGES[index][1]} snippet`);
    code.firstChild.textContent = LANGUAGES[index][2](key ?? PLACEHOLDER);
  }
  function move(event, index) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (index + step + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  }
  choose(0);
  return h(
    "div.snippets",
    bar,
    panel,
    key ? h("p.fine", "The key in it was made just now and is not shown again.") : h(
      "p.fine",
      `${PLACEHOLDER} stands for a key: `,
      h("a", { href: link("/sources") }, "make one"),
      ", or take the first one from the file ",
      h("code", "api-key"),
      " in the state directory.",
    ),
  );
}

// What a daemon without events says instead of empty tables.
export function firstSteps(ctx) {
  return h(
    "section.welcome",
    { "aria-labelledby": "welcome" },
    h("h2", { id: "welcome" }, "Three steps to the first event"),
    h(
      "ol.steps",
      h(
        "li",
        h("h3", "Have a key"),
        h(
          "p",
          "The daemon made one at its first start, in the file ",
          h("code", "api-key"),
          " of its state directory. ",
          ctx.can("admin")
            ? [h("a", { href: link("/sources") }, "Make another"), " for each application, with no more rights than it needs."]
            : null,
        ),
      ),
      h(
        "li",
        h("h3", "Send an event"),
        h("p", "This is one chat completion. Its cost is worked out from the model's price."),
        snippets(),
      ),
      h(
        "li",
        h("h3", "See it here"),
        h(
          "p.waiting",
          h("span.pulse", { "aria-hidden": "true" }),
          "Waiting for the first event. This page shows it as soon as it is on disk.",
        ),
      ),
    ),
  );
}
