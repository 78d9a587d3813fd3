"use strict";

/** An element with attributes and children; text is a child too. */
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;
const brief = (x) => (x === 0 ? "0" : Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5 ? x.toExponential(1) : String(Number(x.toPrecision(3))));

/** About five round numbers from low to high. */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

/** Powers of ten, and where there are few, twice and five times them. */
function logTicks(low, high) {
  const found = [];
  const factors = high / low > 300 ? [1] : [1, 2, 5];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const factor of factors) {
      const x = factor * 10 ** e;
      if (x >= low * 0.999 && x <= high * 1.001) found.push(x);
    }
  }
  return found;
}

/** Charts that share a cursor and a scale. */
class Group {
  constructor() {
    this.charts = [];
    this.log = false;
  }
  point(index) {
    for (const chart of this.charts) chart.point(index);
  }
  rescale(log) {
    this.log = log;
    for (const chart of this.charts) chart.draw();
  }
}

/**
 * A line chart: `x` and of each series `values` of the same length, null where there is none. Hover, touch and arrow keys
 * move a cursor that tells the numbers.
 */
class Chart {
  constructor(parent, { title, note, x, along, series, format = brief, zero = true, group = new Group() }) {
    Object.assign(this, { x, along, series, format, zero, group, index: null });
    this.svg = svg("svg", {
      tabindex: 0, role: "slider", "aria-label": `${title}, by ${along}`, "aria-valuemin": x[0],
      "aria-valuemax": x[x.length - 1], "aria-valuenow": x[0], "aria-valuetext": this.say(0),
    });
    this.readout = el("output", { class: "readout" });
    const legend = series.length > 1
      ? el("ul", { class: "legend" }, ...series.map((one, i) => el("li", {}, sample(i), one.name)))
      : "";
    const heading = el("h3", {}, title);
    if (note) heading.append(" ", el("small", {}, note));
    parent.append(el("figure", { class: "chart" }, heading, legend, this.svg, this.readout));
    group.charts.push(this);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.svg);
    this.draw();
  }

  say(index) {
    const parts = this.series
      .filter((one) => one.values[index] !== null && one.values[index] !== undefined)
      .map((one) => (this.series.length > 1 ? `${one.name} ` : "") + this.format(one.values[index]));
    return `${this.along} ${this.x[index]}: ${parts.join(", ") || "none"}`;
  }

  listen() {
    this.svg.addEventListener("pointermove", (event) => {
      const at = event.clientX - this.svg.getBoundingClientRect().left;
      let nearest = 0;
      this.x.forEach((_, i) => {
        if (Math.abs(this.px(i) - at) < Math.abs(this.px(nearest) - at)) nearest = i;
      });
      this.group.point(nearest);
    });
    this.svg.addEventListener("pointerleave", () => this.group.point(null));
    this.svg.addEventListener("blur", () => this.group.point(null));
    this.svg.addEventListener("keydown", (event) => {
      const last = this.x.length - 1;
      const now = this.index ?? -1;
      const to = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: last, PageUp: now + 10, PageDown: now - 10 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.group.point(Math.max(0, Math.min(last, to)));
    });
  }

  draw() {
    const width = Math.max(160, this.svg.clientWidth || 320);
    const height = 190;
    const frame = { left: 46, right: width - 10, top: 8, bottom: height - 30 };
    const values = this.series.flatMap((one) => one.values).filter(Number.isFinite);
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const log = this.group.log && low > 0;
    if (this.zero && !log) [low, high] = [Math.min(0, low), Math.max(0, high)];
    if (!(high > low)) [low, high] = log ? [low / 2, high * 2] : [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
    const scale = log ? Math.log10 : (v) => v;
    const [first, last] = [this.x[0], this.x[this.x.length - 1]];
    const px = (x) => (last > first ? frame.left + ((x - first) / (last - first)) * (frame.right - frame.left) : (frame.left + frame.right) / 2);
    const py = (v) => frame.bottom - ((scale(v) - scale(low)) / (scale(high) - scale(low))) * (frame.bottom - frame.top);
    this.px = (i) => px(this.x[i]);
    this.py = py;
    this.frame = frame;

    const parts = [];
    let marked = log ? logTicks(low, high) : ticks(low, high);
    if (marked.length < 3) marked = ticks(low, high).filter((tick) => !log || tick > 0);
    for (const tick of marked) {
      const y = py(tick);
      parts.push(svg("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y, y2: y }));
      parts.push(svg("text", { x: frame.left - 5, y: y + 4, "text-anchor": "end" }, this.format === brief ? brief(tick) : `${brief(100 * tick)} %`));
    }
    const across = last > first ? ticks(first, last).filter((x) => Number.isInteger(x)) : [first];
    for (const x of across) {
      parts.push(svg("text", { x: px(x), y: frame.bottom + 14, "text-anchor": "middle" }, String(x)));
    }
    parts.push(svg("text", { x: frame.right, y: height - 3, "text-anchor": "end" }, this.along));
    this.series.forEach((one, i) => {
      let d = "";
      let begun = false;
      one.values.forEach((v, j) => {
        const there = Number.isFinite(v);
        if (there) d += `${begun ? "L" : "M"}${px(this.x[j]).toFixed(1)} ${py(v).toFixed(1)}`;
        begun = there;
      });
      parts.push(svg("path", { class: `series s${i % 4}`, d }));
      if (this.x.length <= 12) {
        one.values.forEach((v, j) => {
          if (Number.isFinite(v)) parts.push(svg("circle", { class: `s${i % 4}`, cx: px(this.x[j]), cy: py(v), r: 2.5 }));
        });
      }
    });
    this.marks = svg("g");
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts, this.marks);
    this.point(this.index);
  }

  point(index) {
    if (index !== null && index >= this.x.length) return;
    this.index = index;
    if (index === null) {
      this.marks.replaceChildren();
      this.readout.textContent = "";
      return;
    }
    const x = this.px(index);
    const dots = this.series
      .map((one, i) => [one.values[index], i])
      .filter(([v]) => Number.isFinite(v))
      .map(([v, i]) => svg("circle", { class: `s${i % 4}`, cx: x, cy: this.py(v), r: 4 }));
    this.marks.replaceChildren(svg("line", { class: "cursor", x1: x, x2: x, y1: this.frame.top, y2: this.frame.bottom }), ...dots);
    this.readout.textContent = this.say(index);
    this.svg.setAttribute("aria-valuenow", this.x[index]);
    this.svg.setAttribute("aria-valuetext", this.say(index));
  }
}

/** A piece of the line that a series has. */
function sample(i) {
  return svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("path", { class: `series s${i % 4}`, d: "M0 5H28", "stroke-width": 2 }));
}

/** Bars from 0 to `top`, one a line. */
function bars(rows, top, format, label) {
  const item = ({ name, value, mark }) =>
    el("li", { class: mark }, el("span", {}, name),
      el("div", { class: "bar", "aria-hidden": "true" }, el("div", { style: `width:${Math.min(100, (100 * value) / (top || 1)).toFixed(1)}%` })),
      el("span", { class: "value" }, format(value)));
  const longest = Math.max(...rows.map(({ name }) => name.length));
  return el("ol", { class: "bars", "aria-label": label, style: `--name: ${longest}ch` }, ...rows.map(item));
}
