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
}

function results() {
  const share = (x) => [x === null ? "–" : percent(x), "number"];
  const what = games ? "games lost" : "error";
  const rows = report.results.map((row) => ({
    own: row.own,
    cells: [row.run + (row.own ? " (this run)" : ""), row.policy, [String(row.seed), "number"], share(row.validation), [row.epoch === null ? "–" : String(row.epoch), "number"], share(row.test)],
  }));
  const caption = report.results.length > 1
    ? "This run, and those in the same folder that differ in the seed or in who chooses the locations"
    : "This run";
  part("results").append(table(caption, ["run", "locations", ["seed", "number"], [`lowest validation ${what}`, "number"], ["epoch", "number"], [`test ${what}`, "number"]], rows));
  if (report.results.every((row) => row.test === null)) {
    part("results").append(el("p", { class: "faint" }, "The test part was not asked for this page."));
  }
}

function player() {
  if (report.items.length === 0) return;
  const text = games
    ? "Games of this split as they were played, the lost ones first."
    : report.retina
      ? "Images of this split, the wrong ones first: where the network looked, what it then saw, and what it would have answered."
      : "Images of this split, the wrong ones first, and what the network answered.";
  part("player").append(el("p", {}, text));
  new Player(part("player"), report);
}

/** In words: does the policy heed its input? */
function verdict(later) {
  const policy = report.results[0]?.policy;
  if (policy === "random") return "Its locations are drawn at random, whatever it sees: a uniform draw has the spread 0.67.";
  if (later.length === 0) return "It has one glimpse, whose place is given.";
  const first = games ? "frame" : "glimpse";
  const mean = later.reduce((sum, x) => sum + x, 0) / later.length;
  const told = `After the first ${first} the spread is ${brief(mean)} on average`;
  return mean < 0.01
    ? `${told}: this policy looks at the same places whatever it sees.`
    : `${told} (0: always the same place; 0.67: as a uniform draw).`;
}

function policy() {
  if (found.spread.length === 0) return;
  const body = part("policy");
  const steps = found.spread.map((_, i) => i + 1);
  const word = games ? "frame" : "glimpse";
  body.append(el("p", { id: "verdict" }, verdict(found.spread.slice(1))));
  const charts = el("div", { class: "charts" });
  body.append(charts);
  if (found.error_after.length > 1) {
    new Chart(charts, { title: "Error by glimpses used", note: "had it decided then", x: steps, along: "glimpses", format: percent, series: [{ name: "error", values: found.error_after }] });
  }
  if (found.baselines.length > 0) {
    const x = found.baselines.map((_, i) => i + 1);
    new Chart(charts, { title: "Return expected", note: "mean baseline", x, along: word, series: [{ name: "baseline", values: found.baselines }, { name: games ? "games caught" : "share answered rightly", values: x.map(() => 1 - found.error) }] });
  }
  new Chart(charts, { title: "Spread across inputs", note: "variance of x plus that of y", x: steps, along: word, series: [{ name: "spread", values: found.spread }] });
  if (found.tracking.length > 0) {
    new Chart(charts, { title: "Ball in the finest patch", note: "share of games", x: found.tracking.map((_, i) => i), along: "row", format: (x) => percent(x, 0), series: [{ name: "in sight", values: found.tracking }] });
  } else if (found.on_digit_at.length > 0) {
    new Chart(charts, { title: "Finest patch touches the digit", note: "share of images", x: steps, along: word, format: (x) => percent(x, 0), series: [{ name: "touches", values: found.on_digit_at }] });
  }
  body.append(el("h3", {}, "Where the fixations lie"), el("p", { class: "faint" }, `Of ${found.count} ${games ? "games" : "images"}; the darker or brighter a part, the more often it was looked at. Each picture has its own scale.`));
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
  const lines = report.epochs;
  if (lines.length === 0) return;
  const body = part("curves");
  const group = new Group();
  const log = el("input", { type: "checkbox", id: "log" });
  log.addEventListener("change", () => group.rescale(log.checked));
  body.append(el("p", {}, el("label", { for: "log" }, log, " logarithmic where all numbers are above 0")));
  const charts = el("div", { class: "charts" });
  body.append(charts);
  const x = lines.map((line) => line.epoch);
  const mean = (list) => (list && list.length > 0 ? list.reduce((sum, v) => sum + v, 0) / list.length : null);
  const add = (title, note, series, format) => {
    const there = series.filter((one) => one.values.some((v) => Number.isFinite(v)));
    if (there.length > 0) new Chart(charts, { title, note, x, along: "epoch", series: there, format, group });
  };
  const of = (name, value) => ({ name, values: lines.map(value) });
  // One glimpse, or a network that sees everything, has no such term: it is 0 throughout.
  const unlessZero = (series) => (series.values.some((v) => v !== 0) ? [series] : []);
  add(games ? "Games lost" : "Error", null, [of("training", (l) => l.train.error), of("validation", (l) => l.validation.error)], percent);
  add(games ? "Action term of eq. (2)" : "Loss of the class", games ? null : "nats", [of("training", (l) => l.train.classification), ...(games ? [] : [of("validation", (l) => l.validation.loss)])]);
  add("Location term of eq. (2)", "its gradient counts, not its value", unlessZero(of("location", (l) => l.train.location)));
  add("Baseline's squared error", null, unlessZero(of("baseline", (l) => l.train.baseline)));
  add("Loss that is minimised", "the terms by their weights", [of("total", (l) => l.train.total)]);
  add("Return and baseline", null, [of("reward, training", (l) => l.train.reward), of("1 − error, validation", (l) => 1 - l.validation.error), of("mean baseline, validation", (l) => mean(l.baselines))]);
  add("Norm of the gradient", "before clipping", [of("norm", (l) => l.train.grad_norm)]);
  add("Learning rate", "at the epoch's end", [of("rate", (l) => l.learning_rate)]);
  add("Deviation of the policy", "σ, image edges at ±1", [of("std", (l) => l.policy_std ?? null)]);
  add("Spread of the fixations", "after the first glimpse", [of("spread", (l) => mean(l.fixation_spread.slice(1)))]);
  add(games ? "Ball in the finest patch" : "Finest patch touches the digit", null, [of("share", (l) => (games || lines.some((line) => line.on_digit !== 1) ? l.on_digit : null))], (v) => percent(v, 1));
  const after = lines.find((l) => l.error_after && l.error_after.length > 1);
  if (after) {
    const n = after.error_after.length;
    const which = n <= 4 ? [...Array(n).keys()] : [0, 1, Math.floor(n / 2), n - 1];
    add("Error by glimpses used", null, which.map((i) => of(`${i + 1}`, (l) => l.error_after?.[i] ?? null)), percent);
  }
  if (report.timings.length === lines.length) add("Speed", games ? "games a second" : "images a second", [{ name: "speed", values: report.timings.map((t) => t.images_per_second) }]);
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
      el("table", { class: "confusion" }, el("caption", {}, `Rows: the label. Columns: the answer. Right answers blue, wrong ones orange, of ${found.count} images.`),
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
  const order = scales > 1 ? " From left to right the patches from fine to coarse." : "";
  part("weights").append(el("p", { class: "faint" }, `${shown.units.length} of ${shown.of} units of ${shown.name}, those of largest weights: orange where light speaks for the unit, blue where against.${order}`),
    el("div", { class: "small units", style: `--unit: ${(3 + 1.5 * scales).toFixed(1)}rem` }, ...shown.units.map(unit)));
}

function configuration() {
  part("configuration").append(
    el("p", { class: "faint" }, `ram ${report.version}, made by: ${report.command}`),
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
