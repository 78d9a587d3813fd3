"use strict";

// What all parts of the page share: controls, and pictures of what a network sees.

const range = (n) => Array.from({ length: n }, (_, i) => i);
/** `a 7`, but `an 8`. */
const aDigit = (name) => `${String(name) === "8" ? "an" : "a"} ${name}`;
const leader = (values) => values.indexOf(Math.max(...values));

function button(text, action, attributes = {}) {
  const made = el("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

/** Random numbers on [0, 1) that are the same each time the page is opened (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A slider with its name before it and its value behind it. */
function slider(name, attributes, said, changed) {
  const input = el("input", { type: "range", ...attributes });
  const output = el("output", {}, said(Number(input.value)));
  const tell = () => {
    output.textContent = said(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    tell();
    changed(Number(input.value));
  });
  tell();
  return { input, tell, root: el("label", { class: "field" }, el("span", {}, name), input, output) };
}

function checkbox(text, changed) {
  const input = el("input", { type: "checkbox" });
  input.addEventListener("change", () => changed(input.checked));
  return { input, root: el("label", { class: "check" }, input, text) };
}

/** The squares that a retina reads at a location, from fine to coarse. */
function windowsAt([x, y], zoom, { patch, scales, size }) {
  const even = (v) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));
  return range(scales).map((scale) => {
    const side = patch << (scale + zoom);
    const start = (l) => even(((Math.max(-1, Math.min(1, l)) + 1) / 2) * size - side / 2);
    return { x: start(x), y: start(y), side };
  });
}

/** What lies over an image: the windows of a glimpse, and the path to it. */
function gazeMarks(windows, path, size) {
  const at = ([x, y]) => [((Math.max(-1, Math.min(1, x)) + 1) / 2) * size, ((Math.max(-1, Math.min(1, y)) + 1) / 2) * size];
  const points = path.map((l) => at(l).join(",")).join(" ");
  return [
    ...windows.flatMap(({ x, y, side }, scale) => {
      const box = { x, y, width: side, height: side };
      return [svg("rect", { class: "halo", ...box }), svg("rect", { class: `window${scale ? " coarse" : ""}`, ...box })];
    }),
    svg("polyline", { class: "halo", points }),
    svg("polyline", { class: "trail", points }),
    ...path.map((l, i) => svg("circle", { class: `stop${i === path.length - 1 ? " now" : ""}`, cx: at(l)[0], cy: at(l)[1], r: size / 60 })),
  ];
}

/** Grey levels as an image of an SVG. */
function still(pixels, size) {
  return svg("image", { href: picture(pixels, 1, size, size).toDataURL(), width: size, height: size, style: "image-rendering: pixelated" });
}

/** What a glimpse shows, as bytes for `composed`. */
const levels = (rho) => Uint8Array.from(rho, (x) => Math.round(255 * x));

/** A point of a pointer's event in the pixels of an SVG's picture. */
function inPicture(picture, event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
  return [point.x, point.y];
}

/** Probabilities as bars, the most likely marked. */
function believed(outputs, probabilities, truth) {
  const first = leader(probabilities);
  const rows = probabilities.map((value, i) => ({ name: outputs[i], value, mark: i === truth ? "truth" : i === first && truth !== null ? "wrong" : null }));
  return bars(rows, 1, (p) => percent(p, 1), "Probabilities");
}

/** Curves that grow: `series` is a list of [class, name]. */
class Plot {
  constructor(title, series) {
    Object.assign(this, { title, series, points: series.map(() => []) });
    this.picture = svg("svg", { class: "plot", viewBox: "0 0 340 170", role: "img", "aria-label": `${title}: nothing yet` });
    const key = ([name, text]) => el("li", {}, svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("line", { class: `line ${name}`, x2: 28, y1: 5, y2: 5 })), text);
    this.root = el("figure", { class: "chart" }, el("h3", {}, title), this.picture, el("ul", { class: "legend" }, ...series.map(key)));
  }

  clear() {
    this.points = this.series.map(() => []);
    this.picture.replaceChildren();
  }

  add(curve, x, y) {
    if (!Number.isFinite(y)) return;
    const points = this.points[curve];
    points.push([x, y]);
    // Of two neighbours one stays.
    if (points.length > 400) this.points[curve] = points.filter((_, i) => i % 2 === 1);
  }

  draw() {
    const all = this.points.flat();
    if (all.length === 0) return;
    const most = Math.max(1, ...all.map(([x]) => x));
    const [low, high] = [Math.min(0, ...all.map(([, y]) => y)), Math.max(1e-6, ...all.map(([, y]) => y))];
    const at = ([x, y]) => [40 + (x / most) * 292, 148 - ((y - low) / (high - low)) * 138];
    const text = (x, y, words, anchor) => svg("text", { x, y, "text-anchor": anchor }, words);
    this.picture.replaceChildren(
      ...[low, high].map((y) => svg("line", { class: "axis", x1: 40, x2: 332, y1: at([0, y])[1], y2: at([0, y])[1] })),
      text(36, 14, brief(high), "end"), text(36, 152, brief(low), "end"), text(40, 166, "0", "start"), text(332, 166, `${most} updates`, "end"),
      ...this.points.map((points, i) => svg("polyline", { class: `line ${this.series[i][0]}`, points: points.map((p) => at(p).map((v) => v.toFixed(1)).join(",")).join(" ") })));
    const last = this.series.map(([, name], i) => (this.points[i].length ? `${name} ${brief(this.points[i].at(-1)[1])}` : null));
    this.picture.setAttribute("aria-label", `${this.title} after ${most} updates: ${last.filter(Boolean).join(", ")}`);
  }
}
