// Sources: who may send and ask, what to paste into an application, and what arrived from where in the last minutes.

import { get, post, remove } from "./api.js";
import { confirm, copy, field, fill, formBox, h, toast } from "./dom.js";
import { count } from "./figures.js";
import { slot } from "./common.js";
import { snippets } from "./snippets.js";
import { members, table } from "./table.js";
import { ago, secondText } from "./time.js";

const SCOPES = [
  ["ingest", "Send events"],
  ["read", "Look at everything"],
  ["admin", "Manage keys and prices, correct events"],
];

const COUNTS = ["events", "duplicates", "rejected"];
const SOURCE = ["from", "listener", "protocol", ...COUNTS, "firstSeen", "lastSeen"];

export async function draw(ctx) {
  const arrivals = slot();
  const keys = h("div");
  const code = h(
    "section.panel",
    { "aria-labelledby": "connect" },
    h("div.panel-head", h("h2", { id: "connect" }, "Connect an application")),
    h("div.panel-body", snippets()),
  );
  ctx.body.append(keys, code, arrivals.element);

  async function loadKeys() {
    const list = await get("keys", {}, ctx.signal);
    const rows = [...list].sort((a, b) => b.active - a.active || Number(a.id) - Number(b.id));
    fill(
      keys,
      table({
        id: "keys",
        title: "Keys",
        rows,
        exported: {
          name: "keys",
          columns: members(["id", "keyHint", "name", "scopes", "active", "createdAt", "revokedAt", "lastUsedAt"], ["id"]),
        },
        tools: h("button.tool", { type: "button", onclick: create }, "Make a key"),
        columns: [
          {
            key: "name",
            label: "Key",
            wide: true,
            value: (row) => row.name,
            cell: (row) =>
              h(
                "span.name",
                row.name ?? h("span.none", "unnamed"),
                row.active ? null : h("span.badge", "Revoked"),
                h("span.fine", h("code", row.keyHint)),
              ),
          },
          {
            key: "scopes",
            label: "May",
            value: (row) => row.scopes.join(" "),
            cell: (row) => h("span.badges", row.scopes.map((scope) => h("span.badge", scope))),
          },
          {
            key: "createdAt",
            label: "Made",
            narrow: true,
            value: (row) => row.createdAt,
            cell: (row) => secondText(row.createdAt, ctx.span.zone),
          },
          {
            key: "lastUsedAt",
            label: "Last used",
            value: (row) => row.lastUsedAt,
            cell: (
              row,
            ) => (row.lastUsedAt
              ? h("span", { title: row.lastUsedAt }, ago(row.lastUsedAt))
              : h("span.none", row.revokedAt ? "\u2013" : "not since the start")),
          },
          {
            key: "acts",
            label: "",
            name: "Actions",
            right: true,
            cell: (row) => (row.active
              ? h("button.danger", {
                type: "button",
                onclick: () => revoke(row),
                "aria-label": `Revoke ${row.name ?? row.keyHint}`,
              }, "Revoke")
              : null),
          },
        ],
      }),
    );
  }

  function create() {
    const name = h("input", {
      type: "text",
      maxlength: "100",
      required: true,
      autocomplete: "off",
      placeholder: "production backend",
    });
    const boxes = SCOPES.map(([scope, label]) => [scope, h("input", { type: "checkbox", checked: scope === "ingest" }), label]);
    formBox({
      title: "Make a key",
      fields: [
        field("Name", name, "what will use it"),
        h("fieldset", h("legend.legend", "It may"), boxes.map(([, input, label]) => h("label.check", input, label))),
      ],
      button: "Make the key",
      focus: name,
      async act(box) {
        const scopes = boxes.filter(([, input]) => input.checked).map(([scope]) => scope);
        if (scopes.length === 0) return "A key that may do nothing is of no use: choose one at least.";
        show(box, await post("keys", { name: name.value.trim(), scopes }));
        await loadKeys();
        return undefined;
      },
    });
  }

  // The only time that the key itself is to be seen; the snippet below it has it, too, until the page is left.
  function show(box, made) {
    const button = h("button", { type: "button", onclick: () => copy(made.apiKey, "Key") }, "Copy");
    fill(
      box.form,
      h("p", "Copy it now: the daemon keeps only its hash, and shows it never again."),
      h("div.secret", h("code", { id: "new-key" }, made.apiKey), button),
      h("div.actions", h("button.primary", { type: "button", onclick: () => box.close() }, "I have it")),
    );
    button.focus();
    fill(code.querySelector(".panel-body"), snippets(made.apiKey));
  }

  function revoke(row) {
    confirm({
      title: `Revoke ${row.name ?? row.keyHint}?`,
      button: "Revoke",
      text: "Whatever uses it is refused from now on, for good." +
        (ctx.session.key?.id === row.id ? " It is the key that you are signed in with." : ""),
      async act() {
        await remove("keys/" + row.id);
        toast("Revoked");
        await loadKeys();
      },
    });
  }

  async function loadArrivals() {
    const status = await get("status", {}, ctx.signal);
    arrivals.set(status.sources, () =>
      table({
        id: "arrivals",
        title: "What arrived",
        note: "in the last ten minutes",
        rows: status.sources,
        exported: { name: "sources", columns: members(SOURCE, COUNTS), rows: status.sources.map((row) => ({ ...row, from: sender(row) })) },
        columns: [
          { key: "key", label: "From", wide: true, value: sender, cell: sender },
          {
            key: "listener",
            label: "Over",
            value: (row) => row.listener,
            cell: (row) => `${row.listener === "unix" ? "Unix socket" : "TCP"}, ${row.protocol === "frames" ? "binary" : "HTTP"}`,
          },
          {
            key: "events",
            label: "Events",
            right: true,
            decimal: true,
            value: (row) => row.events,
            cell: (row) => count(row.events),
          },
          {
            key: "duplicates",
            label: "Duplicates",
            narrow: true,
            right: true,
            decimal: true,
            value: (row) => row.duplicates,
            cell: (row) => count(row.duplicates),
          },
          {
            key: "rejected",
            label: "Rejected",
            right: true,
            decimal: true,
            value: (row) => row.rejected,
            cell: (row) => (row.rejected === "0" ? "0" : h("span.negative", count(row.rejected))),
          },
          {
            key: "lastSeen",
            label: "Last",
            right: true,
            value: (row) => row.lastSeen,
            cell: (row) => h("span", { title: row.lastSeen }, secondText(row.lastSeen, ctx.span.zone)),
          },
        ],
        empty: "Nothing in the last ten minutes. Paste a snippet into an application, or into a terminal, and it shows up here.",
      }));
  }

  if (ctx.can("admin")) await loadKeys();
  else fill(keys, h("p.fine", "Keys are shown to those whose own key has the scope admin."));
  await loadArrivals();
  ctx.every(2000, loadArrivals);
}

export function sender(row) {
  if (row.key) return row.key.name ?? `key ${row.key.id}`;
  return row.user !== null && row.user !== undefined ? `user ${row.user}` : "without a key";
}
