"use strict";

/** Edge of a piece of clutter, in pixels. */
const PIECE = 8;

/** Decides the first images of the page. */
const SEED = 5;

/** An image that one makes, and what the network does at it. */
class Look {
  constructor(root, engine, network, facts) {
    Object.assign(this, { engine, network, facts, size: facts.size, edge: Math.min(28, facts.size), number: 0, step: 0, least: Infinity, most: facts.glimpses, random: randomFrom(SEED) });
    const { pixels, labels } = engine.ask({ ask: "digits", seed: 20, count: 60 });
    this.digits = labels.map((label, i) => ({ label, pixels: pixels.slice(784 * i, 784 * (i + 1)) }));
    this.build(root);
    this.next();
  }

  build(root) {
    const { facts } = this;
    this.screen = svg("svg", { class: "touch", role: "group", tabindex: 0, viewBox: `0 0 ${this.size} ${this.size}` });
    this.seen = el("figure", { class: "picture seen" });
    this.beliefs = el("div");
    this.status = el("p", { class: "status", "aria-live": "polite", id: "look-status" });
    this.piece = el("select", { id: "look-piece", "aria-label": "The piece that the arrow keys move" });
    this.piece.addEventListener("change", () => this.draw());
    this.steps = slider("Glimpse", { min: 1, max: this.most, value: this.most, id: "look-step" }, (n) => `${n}`, (n) => this.show(n - 1));
    const most = slider("At most", { min: 1, max: facts.most, value: this.most, id: "look-most" },
      (n) => `${n} glimpse${n === 1 ? "" : "s"}${n === facts.glimpses ? ", as trained" : ""}`, (n) => {
        this.most = n;
        this.look();
      });
    const stop = slider("Stop when this sure", { min: 0, max: 60, value: 60, id: "look-sure" },
      (n) => (n === 60 ? "–" : percent(this.sure(n), n > 40 ? 2 : 0)), (n) => {
        this.least = n === 60 ? Infinity : this.sure(n);
        this.look();
      });
    const tools = el("div", { class: "controls", role: "group", "aria-label": "The image" },
      button("Another digit", () => this.next(), { id: "look-next", class: "main" }),
      button("Draw one", () => this.drawing(), { id: "look-draw", "aria-expanded": "false" }),
      button("Add clutter", () => this.clutter(), { id: "look-clutter" }),
      button("Remove clutter", () => this.clear(), { id: "look-clear" }),
      button("Another first glimpse", () => this.again(), { id: "look-first" }));
    this.play = button("▶ play", () => this.toggle(), { id: "look-play" });
    const walk = el("div", { class: "controls", role: "group", "aria-label": "Glimpses" },
      button("◀", () => this.show(this.step - 1), { "aria-label": "Previous glimpse", id: "look-before" }), this.steps.root,
      button("▶", () => this.show(this.step + 1), { "aria-label": "Next glimpse", id: "look-after" }), this.play);
    this.pad = this.drawingPad();
    this.contest = new Contest(this);
    this.own = el("div", {},
      el("p", {}, "Drag the digit or the clutter, with the mouse, a finger or the arrow keys. The network looks again at once."),
      el("div", { class: "board" },
        el("div", {},
          el("figure", { class: "picture" }, this.screen,
            el("figcaption", {}, "Orange: what the glimpse reads, dashed where it is coarser. Blue: the path. Pink: where the policy will look next, its mean and one and two standard deviations of its noise in training. Dotted: the piece that the arrow keys move.")),
          walk, tools, this.pad.root,
          el("label", { class: "field" }, el("span", {}, "Arrow keys move"), this.piece)),
        el("div", {}, this.status, this.seen, this.beliefs, el("div", { class: "fields" }, most.root, stop.root))));
    const turn = button("You against the network", () => this.contest.toggle(), { id: "look-contest", "aria-pressed": "false" });
    this.contest.turn = turn;
    const told = facts.test_count
      ? ` It was trained on MNIST's digits and misclassifies ${percent(facts.test_error)} of its ${facts.test_count.toLocaleString("en")} test images${facts.rounded ? " (here its weights are rounded to 16 bits)" : ""}.` : "";
    const clutter = facts.clutter ? ` among ${facts.clutter} pieces of clutter` : "";
    root.append(
      el("p", {}, `${facts.name} looks ${facts.glimpses} time${facts.glimpses === 1 ? "" : "s"} at an image of ${this.size}×${this.size} pixels with a digit${clutter}.${told} The digits here are drawn by this page.`),
      el("div", { class: "controls" }, turn), this.own, this.contest.root);
    this.listen();
  }

  /** The share that a place of the slider stands for: 20 % at its beginning, and ever closer to 1. */
  sure(n) {
    return 1 - 0.8 * 10 ** (-n / 17);
  }

  listen() {
    let held = null;
    this.screen.addEventListener("pointerdown", (event) => {
      const at = inPicture(this.screen, event);
      const hit = this.pieces.findLastIndex(({ x, y, side }) => at[0] >= x - 1 && at[1] >= y - 1 && at[0] <= x + side + 1 && at[1] <= y + side + 1);
      if (hit < 0) return;
      held = { from: at, x: this.pieces[hit].x, y: this.pieces[hit].y };
      this.piece.value = hit;
      this.screen.setPointerCapture(event.pointerId);
      this.draw();
    });
    this.screen.addEventListener("pointermove", (event) => {
      if (!held) return;
      const at = inPicture(this.screen, event);
      this.move(Math.round(held.x + at[0] - held.from[0]), Math.round(held.y + at[1] - held.from[1]));
    });
    for (const end of ["pointerup", "pointercancel"]) this.screen.addEventListener(end, () => (held = null));
    this.screen.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const { x, y } = this.pieces[this.chosen()];
      const far = event.shiftKey ? 5 : 1;
      this.move(x + far * by[0], y + far * by[1]);
    });
  }

  chosen() {
    return Math.max(0, Number(this.piece.value));
  }

  move(x, y) {
    const piece = this.pieces[this.chosen()];
    const most = this.size - piece.side;
    const inside = (v) => Math.max(0, Math.min(most, v));
    [piece.x, piece.y] = [inside(x), inside(y)];
    this.later();
  }

  /** Looks again before the next frame is drawn. */
  later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.look();
    });
  }

  /** The next of the page's digits, at a random place among clutter. */
  next() {
    this.put(this.digits[this.number % this.digits.length]);
    this.number += 1;
  }

  put(digit) {
    this.number += digit.drawn ? 1 : 0;
    this.pieces = [{ ...digit, side: this.edge, ...this.somewhere(this.edge) }];
    range(this.facts.clutter).forEach(() => this.pieces.push(this.scrap()));
    this.look();
  }

  somewhere(side) {
    const one = () => Math.floor(this.random() * (this.size - side + 1));
    return { x: one(), y: one() };
  }

  scrap() {
    const from = this.digits[Math.floor(this.random() * this.digits.length)];
    const [left, top] = range(2).map(() => Math.floor(this.random() * (28 - PIECE + 1)));
    const pixels = range(PIECE * PIECE).map((i) => from.pixels[(top + Math.floor(i / PIECE)) * 28 + left + (i % PIECE)]);
    return { pixels, side: PIECE, ...this.somewhere(PIECE) };
  }

  clutter() {
    this.pieces.push(this.scrap());
    this.piece.value = this.pieces.length - 1;
    this.look();
  }

  clear() {
    this.pieces.length = 1;
    this.look();
  }

  again() {
    this.number += 1;
    this.look();
  }

  /** The pieces added up, as the program adds them. */
  compose(pieces) {
    const canvas = new Uint8ClampedArray(this.size * this.size);
    for (const { pixels, side, x, y } of pieces) {
      for (let i = 0; i < side * side; i++) canvas[(y + Math.floor(i / side)) * this.size + x + (i % side)] += pixels[i];
    }
    return new Uint8Array(canvas);
  }

  /** An episode at an image: at the given places, and where there is none, where the network wants to look. */
  episode(pixels, number, most, places = []) {
    let { location } = this.engine.ask({ ask: "begin", network: this.network, number });
    return range(most).map((step) => {
      const question = { ask: "glance", network: this.network };
      if (places[step]) question.at = places[step];
      const glimpse = this.engine.ask(question, pixels);
      location = glimpse.next.location;
      return glimpse;
    });
  }

  look() {
    this.stop();
    this.pixels = this.compose(this.pieces);
    const all = this.episode(this.pixels, this.number, this.most);
    const sure = all.findIndex(({ probabilities, next }) => Math.max(...probabilities) >= this.least || next.stopped);
    this.glimpses = sure < 0 ? all : all.slice(0, sure + 1);
    this.stopped = sure >= 0 && sure + 1 < all.length;
    const chosen = this.chosen();
    this.piece.replaceChildren(...this.pieces.map((_, i) => el("option", { value: i }, i === 0 ? "the digit" : `clutter ${i}`)));
    this.piece.value = Math.min(chosen, this.pieces.length - 1);
    this.steps.input.max = this.glimpses.length;
    this.show(this.glimpses.length - 1);
  }

  show(step) {
    this.step = Math.max(0, Math.min(this.glimpses.length - 1, step));
    this.steps.input.value = this.step + 1;
    this.steps.tell();
    this.draw();
  }

  draw() {
    const { facts, size } = this;
    const now = this.glimpses[this.step];
    const truth = this.pieces[0].label ?? null;
    const box = this.pieces[this.chosen()];
    const parts = [still(this.pixels, size), svg("rect", { class: "frame", width: size, height: size }), ...gazeMarks(now.windows, this.glimpses.slice(0, this.step + 1).map(({ location }) => location), size)];
    if (this.step + 1 < this.glimpses.length) {
      const [cx, cy] = now.next.location.map((l) => ((l + 1) / 2) * size);
      parts.push(svg("circle", { class: "mean", cx, cy, r: size / 90 }), ...[1, 2].map((n) => svg("circle", { class: "mean wide", cx, cy, r: (n * facts.std * size) / 2 })));
    }
    parts.push(svg("rect", { class: "piece", x: box.x, y: box.y, width: box.side, height: box.side }));
    const beyond = Math.max(0, ...now.windows.slice(0, 1).flatMap(({ x, y, side }) => [-x, -y, x + side - size, y + side - size]));
    const margin = Math.ceil(beyond + size * 0.02);
    this.screen.setAttribute("viewBox", `${-margin} ${-margin} ${size + 2 * margin} ${size + 2 * margin}`);
    this.screen.replaceChildren(...parts);
    this.screen.setAttribute("aria-label", `The image. Arrow keys move ${this.chosen() === 0 ? "the digit" : `clutter ${this.chosen()}`}, which is ${box.x} pixels from the left and ${box.y} from the top; with Shift by 5.`);
    const best = leader(now.probabilities);
    const end = this.step + 1 < this.glimpses.length ? "" : this.stopped ? ", and it stops: " : ", its answer: ";
    const right = truth === null || !end ? "" : best === truth ? " – right" : ` – wrong, it is ${aDigit(truth)}`;
    this.status.textContent = `Glimpse ${this.step + 1} of ${this.glimpses.length}${end || ": "}digit ${facts.outputs[best]}, ${percent(now.probabilities[best], 0)} sure${right}`;
    this.seen.replaceChildren(composed(levels(now.rho), [facts.patch, facts.scales], 1), el("figcaption", {}, "Everything that the network sees in this glimpse"));
    const expected = now.baseline === null ? [] : [el("p", {}, `Baseline, the return that it expects now: ${now.baseline.toFixed(2)}`)];
    this.beliefs.replaceChildren(el("h3", {}, "What it would answer now"), believed(facts.outputs, now.probabilities, truth), ...expected);
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.step + 1 === this.glimpses.length) this.show(0);
    this.timer = setInterval(() => (this.step + 1 < this.glimpses.length ? this.show(this.step + 1) : this.stop()), 700);
    this.play.textContent = "❚❚ pause";
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ play";
  }

  drawing() {
    this.pad.root.hidden = !this.pad.root.hidden;
    document.getElementById("look-draw").setAttribute("aria-expanded", String(!this.pad.root.hidden));
  }

  /** A canvas to write a digit on. */
  drawingPad() {
    const side = 280;
    const canvas = el("canvas", { class: "draw", width: side, height: side, role: "img", "aria-label": "Write a digit here with the mouse or a finger", id: "look-pad" });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const note = el("figcaption", { "aria-live": "polite" }, "Write a digit. It is scaled and centred as MNIST's digits were.");
    let last = null;
    const wipe = () => {
      context.fillStyle = "#000";
      context.fillRect(0, 0, side, side);
    };
    wipe();
    Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: 20, strokeStyle: "#fff" });
    const at = ({ clientX, clientY }) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return [((clientX - left) / width) * side, ((clientY - top) / height) * side];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = at(event);
      context.beginPath();
      context.moveTo(...last);
      context.lineTo(...last);
      context.stroke();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      context.beginPath();
      context.moveTo(...last);
      last = at(event);
      context.lineTo(...last);
      context.stroke();
    });
    const done = () => {
      if (!last) return;
      last = null;
      const grey = Uint8Array.from(range(side * side), (i) => 0);
      const { data } = context.getImageData(0, 0, side, side);
      for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i];
      const { pixels } = this.engine.ask({ ask: "character", width: side, height: side }, grey);
      if (pixels) this.put({ pixels, label: undefined, drawn: true });
      else note.textContent = "There is too little to see; write it larger.";
    };
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, done);
    const root = el("div", { class: "pad" }, el("figure", { class: "picture" }, canvas, note), el("div", { class: "controls" }, button("Clear", wipe, { id: "look-wipe" })));
    root.hidden = true;
    return { root };
  }
}

/** A person and the network look at the same hidden image, as often as each other. */
class Contest {
  constructor(look) {
    Object.assign(this, { look, score: { you: 0, network: 0, yours: 0, played: 0 } });
    const size = look.size;
    this.screen = svg("svg", { class: "choose", role: "group", tabindex: 0, viewBox: `0 0 ${size} ${size}`, id: "contest-screen", "aria-label": "The hidden image" });
    this.status = el("p", { class: "status", "aria-live": "polite", id: "contest-status" });
    this.answers = el("div", { class: "keys", role: "group", "aria-label": "Your answer" },
      ...look.facts.outputs.map((name, i) => button(name, () => this.answer(i), { "aria-label": `It is ${aDigit(name)}` })));
    this.result = el("div", { id: "contest-result" });
    this.root = el("div", {},
      el("p", {}, "The image is hidden. Click where you would look: you see only what the network would see there, sharp in the middle and coarser around. The first glimpse is given. Then say which digit it is."),
      el("div", { class: "board" },
        el("div", {}, el("figure", { class: "picture" }, this.screen, el("figcaption", {}, "Click or tap; or move the cross with the arrow keys and look with Enter."))),
        el("div", {}, this.status, this.answers, this.result, el("div", { class: "controls" }, button("Another image", () => this.begin(), { id: "contest-next" })))));
    this.root.hidden = true;
    this.screen.addEventListener("pointerdown", (event) => this.click(inPicture(this.screen, event)));
    this.screen.addEventListener("keydown", (event) => this.key(event));
  }

  toggle() {
    this.root.hidden = !this.root.hidden;
    this.look.own.hidden = !this.root.hidden;
    this.turn.setAttribute("aria-pressed", String(!this.root.hidden));
    this.turn.textContent = this.root.hidden ? "You against the network" : "Back to the open image";
    if (!this.root.hidden) this.begin();
  }

  begin() {
    const { look } = this;
    const digit = look.digits[Math.floor(Math.random() * look.digits.length)];
    const pieces = [{ ...digit, side: look.edge, ...look.somewhere(look.edge) }, ...range(look.facts.clutter).map(() => look.scrap())];
    Object.assign(this, { pixels: look.compose(pieces), label: digit.label, number: Math.floor(Math.random() * 1e6), over: false, cross: [look.size / 2, look.size / 2] });
    this.places = [look.engine.ask({ ask: "begin", network: look.network, number: this.number }).location];
    this.result.replaceChildren();
    this.see();
  }

  get most() {
    return this.look.facts.glimpses;
  }

  click([x, y]) {
    const { size } = this.look;
    if (this.over || this.places.length >= this.most || x < 0 || y < 0 || x > size || y > size) return;
    this.places.push([(2 * x) / size - 1, (2 * y) / size - 1]);
    this.cross = [x, y];
    this.see();
  }

  key(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by) this.cross = this.cross.map((at, i) => Math.max(0, Math.min(this.look.size, at + by[i] * (event.shiftKey ? 1 : 3))));
    else if (event.key === "Enter" || event.key === " ") this.click(this.cross);
    else return;
    event.preventDefault();
    this.draw();
  }

  /** What was seen so far: each glimpse where it was taken. */
  see() {
    this.glimpses = this.look.episode(this.pixels, this.number, this.places.length, this.places);
    this.draw();
  }

  draw() {
    const { size, facts } = this.look;
    const left = this.most - this.places.length;
    const patches = this.glimpses.map(({ rho, windows }) => {
      const { x, y, side } = windows.at(-1);
      return svg("image", { href: composed(levels(rho), [facts.patch, facts.scales], 1).toDataURL(), x, y, width: side, height: side, style: "image-rendering: pixelated" });
    });
    const whole = this.over ? [still(this.pixels, size)] : patches;
    const path = this.places.slice(0, this.glimpses.length);
    const [x, y] = this.cross;
    const cross = this.over || left === 0 ? [] : [svg("path", { class: "cross", d: `M${x - 2},${y}h4M${x},${y - 2}v4` })];
    this.screen.replaceChildren(svg("rect", { width: size, height: size, fill: "#000" }), ...whole, ...gazeMarks(this.over ? [] : this.glimpses.at(-1).windows.slice(0, 1), path, size), ...cross);
    this.screen.setAttribute("aria-label", `The hidden image; ${left} glimpse${left === 1 ? " is" : "s are"} left`);
    if (!this.over) this.status.textContent = left ? `${left} glimpse${left === 1 ? "" : "s"} left, or answer now.` : "Which digit is it?";
    for (const answer of this.answers.children) answer.disabled = this.over;
  }

  answer(mine) {
    const { look, label } = this;
    const its = look.episode(this.pixels, this.number, this.most).at(-1).probabilities;
    const yours = this.glimpses.at(-1).probabilities;
    this.over = true;
    const say = (who, answer) => [who, look.facts.outputs[answer], answer === label ? "right" : "wrong"];
    const rows = [say("you", mine), say("the network, where it looks itself", leader(its)), say(`the network, where you looked (${this.places.length} of ${this.most} glimpses)`, leader(yours))];
    ["you", "network", "yours"].forEach((who, i) => (this.score[who] += rows[i][2] === "right" ? 1 : 0));
    this.score.played += 1;
    this.draw();
    this.status.textContent = `It is ${aDigit(look.facts.outputs[label])}. You are ${rows[0][2]}, the network is ${rows[1][2]}.`;
    const totals = [this.score.you, this.score.network, this.score.yours];
    this.result.replaceChildren(el("table", {}, el("caption", {}, `${this.score.played} played so far`),
      el("thead", {}, el("tr", {}, ...["who", "says", "", "right so far"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...rows.map((row, i) => el("tr", {}, ...[...row, String(totals[i])].map((cell) => el("td", { style: "white-space: normal" }, cell)))))));
  }
}
