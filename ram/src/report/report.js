"use strict";

const report = JSON.parse(document.getElementById("data").textContent);
const found = report.found;
const games = report.kind === "game";
const part = (id) => document.querySelector(`#${id} .body`);

/** A table; a cell may be [text, class]. */
function table(caption, head, rows) {
  const cell = (tag, content) => {
    const [text, name] = Array.isArray(content) ? content : [content, null];
    return el(tag, { class: name, scope: tag === "th" ? "col" : null }, text);
  };
  return el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...head.map((h) => cell("th", h)))),
      el("tbody", {}, ...rows.map(({ cells, own }) => el("tr", { class: own ? "own" : null }, ...cells.map((c) => cell("td", c)))))));
}

function head() {
  document.getElementById("run").textContent = report.run;
  document.getElementById("about").textContent = report.about;
  const fact = (value, text) => el("li", {}, el("strong", {}, value), ` ${text}`);
  const facts = [fact(percent(found.error), `${report.split} ${games ? "games lost" : "error"} (± ${percent(found.standard_error)}, one standard error of ${found.count})`)];
  facts.push(fact(report.parameters.toLocaleString("en"), "parameters"));
  facts.push(fact(String(report.epoch), report.epoch === 1 ? `epoch, the ${report.which} checkpoint` : `epochs, the ${report.which} checkpoint`));
  const seconds = report.timings.reduce((sum, line) => sum + line.seconds, 0);
  if (seconds > 0) facts.push(fact(seconds < 120 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`, "of training"));
  document.getElementById("facts").append(...facts);
  if (report.page) {
    document.querySelector("header nav").before(el("p", {}, el("a", { class: "button", href: encodeURI(report.page) }, "▶ Play with this network")));
  }
}

function results() {
  const share = (x) => [x === null ? "–" : percent(x), "number"];
  const what = games ? "games lost" : "error";
  const rows = report.results.map((row) => ({
    own: row.own,
    cells: [row.run + (row.own && !report.origin ? " (this run)" : ""), row.policy, [String(row.seed), "number"], share(row.validation), [row.epoch === null ? "–" : String(row.epoch), "number"], share(row.test)],
  }));
  const caption = report.results.length > 1
    ? "This run, and those in the same folder that differ in the seed or in who chooses the locations"
    : report.origin ?? "This run";
  part("results").append(table(caption, ["run", "locations", ["seed", "number"], [`lowest validation ${what}`, "number"], ["epoch", "number"], [`test ${what}`, "number"]], rows));
  if (report.results.every((row) => row.test === null)) {
    part("results").append(el("p", { class: "faint" }, "This page does not use the test split."));
  }
}

function player() {
  if (report.items.length === 0) return;
  const text = games
    ? "Games of this split as they were played, the lost ones first."
    : report.retina
      ? "Images of this split, the wrong ones first: where the network looked, what it then saw, and what it would have answered."
      : "Images of this split, the wrong ones first, and what the network answered.";
  part("player").append(el("p", {}, report.player_note ? `${text} ${report.player_note}` : text));
  new Player(part("player"), report);
}

/** Says in words whether the locations depend on the input. */
function verdict(later) {
  const policy = report.results[0]?.policy;
  if (policy === "random") return "Its locations are drawn at random and do not depend on what it sees; a uniform draw has the spread 0.67.";
  if (later.length === 0) return "It has only one glimpse, and the first place is not chosen by the policy.";
  const first = games ? "frame" : "glimpse";
  const mean = later.reduce((sum, x) => sum + x, 0) / later.length;
  const measured = `After the first ${first} the spread is ${brief(mean)} on average`;
  return mean < 0.01
    ? `${measured}: this policy looks at the same places whatever it sees.`
    : `${measured} (0: always the same place; 0.67: like a uniform draw).`;
}

function policy() {
  if (found.spread.length === 0) return;
  const body = part("policy");
  const word = games ? "frame" : "glimpse";
  body.prepend(el("p", { id: "verdict" }, verdict(found.spread.slice(1))));
  for (const picture of body.querySelectorAll("[data-chart]")) new Cursor(picture, []);
  body.append(el("h3", {}, "Where the fixations lie"), el("p", { class: "faint" }, `Of ${found.count} ${games ? "games" : "images"}. The stronger the colour of a part, the more often it was looked at; each picture has its own scale.`));
  body.append(el("div", { class: "small" }, ...found.density.map((counts, i) => density(counts, `${word} ${i + 1}`))));
}

function density(counts, name) {
  const n = found.grid;
  const most = Math.max(1, ...counts);
  const at = counts.indexOf(Math.max(...counts));
  const cells = counts.flatMap((count, i) =>
    count === 0 ? [] : [svg("rect", { x: i % n, y: Math.floor(i / n), width: 1, height: 1, "fill-opacity": (0.1 + 0.9 * Math.sqrt(count / most)).toFixed(3) }, svg("title", {}, `${count} of ${found.count}`))]);
  const label = `${name}: most often, ${percent(most / found.count, 0)}, in column ${(at % n) + 1} and row ${Math.floor(at / n) + 1} of ${n}`;
  return el("figure", {}, svg("svg", { class: "density", viewBox: `0 0 ${n} ${n}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" }, ...cells), el("figcaption", {}, `${name}, at most ${percent(most / found.count, 0)}`));
}

function curves() {
  const body = part("curves");
  const charts = body.querySelector(".charts");
  if (report.origin) body.append(el("p", {}, "The curves of the training are not kept with these weights."));
  if (!charts) return;
  const group = [];
  for (const picture of charts.querySelectorAll("[data-chart]")) new Cursor(picture, group);
  const log = el("input", { type: "checkbox", id: "log" });
  log.addEventListener("change", () => {
    charts.classList.toggle("log", log.checked);
    group.forEach((cursor) => cursor.point(cursor.index));
  });
  body.prepend(el("p", {}, el("label", { for: "log" }, log, " logarithmic where all numbers are above 0")));
}

function confusion() {
  if (found.confusion.length === 0) return;
  const names = report.classes;
  const wrong = found.confusion.flatMap((row, i) => row.filter((_, j) => i !== j));
  const most = Math.max(1, ...wrong);
  const cell = (count, i, j) => {
    const share = i === j ? 0.35 : count === 0 ? 0 : 0.15 + (0.5 * count) / most;
    const colour = i === j ? "var(--c1)" : "var(--c2)";
    return el("td", { style: count === 0 ? null : `background: color-mix(in srgb, ${colour} ${Math.round(100 * share)}%, transparent)`, title: `${names[i]} taken for ${names[j]}: ${count}` }, count === 0 ? "" : String(count));
  };
  part("confusion").append(
    el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Confusion matrix" },
      el("table", { class: "confusion" }, el("caption", {}, `Rows are labels, columns are answers, of ${found.count} images. Right answers are blue, wrong ones orange.`),
        el("thead", {}, el("tr", {}, el("td", {}), ...names.map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, ...found.confusion.map((row, i) => el("tr", {}, el("th", { scope: "row" }, names[i]), ...row.map((count, j) => cell(count, i, j))))))));
}

function weights() {
  const shown = report.weights;
  if (!shown) return;
  const { side, scales, channels } = shown;
  const unit = ({ index, data }) => {
    const bytes = bytesOf(data);
    const canvas = el("canvas", { width: scales * side + scales - 1, height: channels * side + channels - 1, role: "img", "aria-label": `Unit ${index}` });
    for (let c = 0; c < channels; c++) {
      for (let s = 0; s < scales; s++) {
        const from = (c * scales + s) * side * side;
        paintSigned(canvas.getContext("2d"), bytes.subarray(from, from + side * side), side, side, s * (side + 1), c * (side + 1));
      }
    }
    return el("figure", {}, canvas, el("figcaption", {}, String(index)));
  };
  const order = scales > 1 ? " The patches run from left to right, from fine to coarse." : "";
  part("weights").append(el("p", { class: "faint" }, `The ${shown.units.length} of ${shown.of} units of ${shown.name} with the largest weights: orange where a bright pixel raises the unit's input, blue where it lowers it.${order}`),
    el("div", { class: "small units", style: `--unit: ${(3 + 1.5 * scales).toFixed(1)}rem` }, ...shown.units.map(unit)));
}

function configuration() {
  part("configuration").append(
    el("p", { class: "faint" }, report.origin ?? `ram ${report.version}, made by: ${report.command}`),
    el("p", { class: "faint" }, `SHA-256 of the weights: ${report.weights_hash}`),
    el("pre", { tabindex: 0, "aria-label": "Configuration, TOML" }, report.config));
}

head();
for (const section of [results, player, policy, curves, confusion, weights, configuration]) section();
for (const section of document.querySelectorAll("main > section")) {
  const empty = section.querySelector(".body").childElementCount === 0;
  section.hidden = empty;
  section.setAttribute("aria-labelledby", `${section.id}-title`);
  section.querySelector("h2").id = `${section.id}-title`;
  if (!empty) document.getElementById("contents").append(el("li", {}, el("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)));
}
