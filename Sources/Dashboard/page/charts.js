// Charts, quiet ones: Chart.js on a canvas, a line of text that says the same, a table of the figures, the picture as PNG.
// A trend is zoomed into by dragging over it, or with the arrow keys, Shift and Enter.

import { approximate } from "./decimal.js";
import { announce, download, fill, h, unique } from "./dom.js";
import { shortMoney } from "./figures.js";
import { exports } from "./table.js";

let library;

// Chart.js is asked for when the first chart is due, after the figures are there.
function load() {
  library ??= new Promise((resolve, reject) => {
    if (window.Chart) return resolve(window.Chart);
    const script = h("script", { src: "/assets/chart.js" });
    script.addEventListener("load", () => resolve(window.Chart));
    script.addEventListener("error", () => reject(new Error("The drawing library did not load.")));
    document.head.append(script);
    return undefined;
  });
  return library;
}

// A colour of the style sheet as the canvas takes it: of light and dark the one that holds.
const probe = h("span", { hidden: true });
function paint(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

const font = () => getComputedStyle(document.body).fontFamily;

function fileName(title) {
  return title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart";
}

// The selected part and the marks, drawn over the chart; the ground is drawn first, so that a PNG is not see-through.
function overlay(held) {
  return {
    id: "overlay",
    beforeDraw(chart) {
      const { ctx, width, height } = chart;
      ctx.save();
      ctx.fillStyle = paint("panel");
      ctx.fillRect(0, 0, width, height);
      ctx.restore();
    },
    afterDraw(chart) {
      const { ctx, chartArea: area, scales: { x } } = chart;
      ctx.save();
      if (held.from !== null && held.to !== null && held.from !== held.to) {
        const [left, right] = [x.getPixelForValue(Math.min(held.from, held.to)), x.getPixelForValue(Math.max(held.from, held.to))];
        ctx.fillStyle = paint("select");
        ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
      }
      ctx.strokeStyle = paint("mark");
      ctx.fillStyle = paint("mark");
      ctx.font = `11px ${font()}`;
      ctx.setLineDash([3, 3]);
      for (const mark of held.marks) {
        const at = x.getPixelForValue(mark.index);
        ctx.beginPath();
        ctx.moveTo(at, area.top);
        ctx.lineTo(at, area.bottom);
        ctx.stroke();
        ctx.fillText(mark.label, Math.min(at + 4, area.right - ctx.measureText(mark.label).width), area.top + 10);
      }
      ctx.restore();
    },
  };
}

function defaults(config) {
  const ink = paint("muted");
  const line = paint("line");
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    indexAxis: config.sideways ? "y" : "x",
    interaction: { mode: "index", axis: config.sideways ? "y" : "x", intersect: false },
    layout: { padding: { top: 4, right: 4 } },
    scales: {
      [config.sideways ? "y" : "x"]: {
        stacked: false,
        grid: { display: false, borderColor: line },
        ticks: { color: ink, maxRotation: 0, autoSkipPadding: 18, font: { size: 11, family: font() } },
      },
      [config.sideways ? "x" : "y"]: {
        suggestedMin: config.whole ? 0 : undefined,
        suggestedMax: config.whole ? 4 : undefined,
        grid: { color: line, drawBorder: false },
        border: { display: false },
        ticks: {
          color: ink,
          maxTicksLimit: 6,
          precision: config.whole ? 0 : undefined,
          font: { size: 11, family: font() },
          callback: (value) => (config.short ?? shortMoney)(value),
        },
      },
    },
    plugins: {
      legend: {
        display: config.series.length > 1,
        align: "end",
        labels: { color: ink, boxWidth: 10, boxHeight: 2, font: { size: 11, family: font() } },
      },
      tooltip: {
        backgroundColor: paint("tip"),
        titleColor: paint("tip-ink"),
        bodyColor: paint("tip-ink"),
        cornerRadius: 4,
        displayColors: false,
        // The exact figure, not the one that was drawn.
        callbacks: { label: (item) => `${item.dataset.label}  ${config.series[item.datasetIndex].text[item.dataIndex]}` },
      },
    },
  };
}

function dataset(one) {
  const color = paint(one.color);
  const data = one.values.map((value) => (value === null || value === undefined ? null : approximate(value)));
  if (one.kind === "bar") {
    const negative = paint("negative");
    return {
      type: "bar",
      label: one.label,
      data,
      backgroundColor: data.map((v) => (v < 0 ? negative : color)),
      maxBarThickness: 22,
      order: 2,
    };
  }
  return {
    type: "line",
    label: one.label,
    data,
    borderColor: color,
    backgroundColor: color,
    borderWidth: one.faint ? 1 : 1.75,
    borderDash: one.faint ? [4, 3] : [],
    pointRadius: data.length === 1 ? 3 : 0,
    pointHoverRadius: 3,
    tension: 0,
    order: 1,
  };
}

// series: {label, values (decimal text), text (as shown), color (a custom property), kind: "line" | "bar", faint}
// onzoom(i, k): the steps from i to k, both included. marks: {index, label}, index may lie between two steps.
export function chart(config) {
  const { title, labels, series, summary, onzoom, marks = [], tools } = config;
  const heading = h("h2", { id: unique("c") }, title);
  const held = { from: null, to: null, at: null, marks };
  const canvas = h("canvas", { role: "img", "aria-label": `${title}. ${summary}` });
  const frame = h("div.canvas" + (config.sideways ? ".sideways" : ""), canvas);
  if (config.sideways) frame.style.height = `${Math.max(120, labels.length * 34 + 60)}px`;
  let drawn = null;

  const save = () => canvas.toBlob((blob) => blob && download(`${fileName(title)}.png`, "image/png", blob), "image/png");
  const png = h("button.tool", { type: "button", onclick: save, "aria-label": `Save ${title.toLowerCase()} as PNG` }, "PNG");
  const figures = h("details.figures", h("summary", "Figures"));
  figures.addEventListener("toggle", () => {
    if (!figures.open || figures.querySelector("table")) return;
    const columns = [
      { key: (config.axis ?? "time").toLowerCase(), value: (row) => labels[row] },
      ...series.map((one) => ({ key: one.label, value: (row) => one.values[row], decimal: true })),
    ];
    const name = `${fileName(title)}-figures`;
    figures.append(h("p.pad-x", exports({ name, columns, rows: [...labels.keys()], what: `the figures of ${title.toLowerCase()}` })));
    figures.append(h(
      "div.scroll",
      { tabindex: "0", role: "group", "aria-label": `${title}, figures` },
      h(
        "table",
        h("caption.sr", title),
        h(
          "thead",
          h(
            "tr",
            h("th", { scope: "col" }, config.axis ?? "Time"),
            series.map((one) => h("th.right", { scope: "col" }, one.label)),
          ),
        ),
        h(
          "tbody",
          labels.map((label, row) =>
            h("tr", h("th", { scope: "row" }, label), series.map((one) => h("td.right", one.text[row] ?? "")))
          ),
        ),
      ),
    ));
  });

  if (onzoom) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute(
      "aria-label",
      `${title}. Arrow keys read the steps, with Shift they select, Enter zooms in, Escape lets go.`,
    );
    zoomable(frame, canvas, held, () => drawn, config);
  }

  load().then((Chart) => {
    if (!frame.isConnected) return;
    drawn = new Chart(canvas, {
      type: "bar",
      data: { labels, datasets: series.map(dataset) },
      options: defaults(config),
      plugins: [overlay(held)],
    });
    frame.dataset.drawn = "yes";
  }).catch((error) => fill(frame, h("p.fine", error.message)));

  const section = h(
    "section.panel.chart",
    { "aria-labelledby": heading.id },
    h("div.panel-head", heading, h("span.tools", tools, png)),
    frame,
    h("p.fine.pad-x", summary, onzoom ? h("span.hint-zoom", " Drag over the chart to zoom in.") : null),
    figures,
  );
  section.discard = () => drawn?.destroy();
  return section;
}

function zoomable(frame, canvas, held, drawn, { labels, series, onzoom }) {
  const last = labels.length - 1;
  const clamp = (index) => Math.max(0, Math.min(last, index));
  const redraw = () => drawn()?.draw();
  const index = (event) => {
    const chart = drawn();
    return chart ? clamp(chart.scales.x.getValueForPixel(event.clientX - canvas.getBoundingClientRect().left)) : null;
  };
  const go = () => {
    const [a, b] = [Math.min(held.from, held.to), Math.max(held.from, held.to)];
    held.from = held.to = null;
    onzoom(a, b);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    canvas.setPointerCapture(event.pointerId);
    held.from = held.to = index(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held.from === null || !canvas.hasPointerCapture(event.pointerId)) return;
    held.to = index(event);
    redraw();
  });
  canvas.addEventListener("pointerup", () => {
    if (held.from === null) return;
    if (held.from !== held.to) return go();
    held.from = held.to = null;
    return redraw();
  });
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Enter" && held.from !== null) {
      event.preventDefault();
      return go();
    }
    if (event.key === "Escape" && held.from !== null) {
      held.from = held.to = null;
      return redraw();
    }
    if (!step) return undefined;
    event.preventDefault();
    const at = clamp(held.at === null ? (step > 0 ? 0 : last) : held.at + step);
    if (event.shiftKey) {
      held.from ??= held.at ?? at;
      held.to = at;
    } else held.from = held.to = null;
    held.at = at;
    const chart = drawn();
    if (chart) {
      const active = series.map((_, datasetIndex) => ({ datasetIndex, index: at }));
      chart.setActiveElements(active);
      chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
      chart.update("none");
    }
    const chosen = held.from === null
      ? ""
      : `, selected ${labels[Math.min(held.from, held.to)]} to ${labels[Math.max(held.from, held.to)]}`;
    return announce(`${labels[at]}: ${series.map((one) => `${one.label} ${one.text[at]}`).join(", ")}${chosen}`);
  });
}
