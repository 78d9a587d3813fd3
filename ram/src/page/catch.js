"use strict";

/** The game of Catch: the network plays, or one plays oneself while it looks on. */
class Catch {
  constructor(root, engine, network, facts) {
    Object.assign(this, { engine, network, facts, size: facts.size, number: Math.floor(Math.random() * 1e6), mine: false, covered: false, speed: 8, running: false });
    this.score = { network: [0, 0], you: [0, 0] };
    this.held = new Set();
    this.build(root);
    this.begin();
  }

  build(root) {
    const { facts } = this;
    this.screen = svg("svg", { role: "img", viewBox: `-1 -1 ${this.size + 2} ${this.size + 2}`, id: "catch-screen" });
    this.seen = el("figure", { class: "picture seen" });
    this.beliefs = el("div");
    this.status = el("p", { class: "status", "aria-live": "polite", id: "catch-status" });
    this.totals = el("p", { id: "catch-score" });
    this.start = button("▶ start", () => this.toggle(), { id: "catch-start", class: "main" });
    const who = checkbox("You take the paddle", (on) => {
      this.mine = on;
      this.moves.hidden = !on;
    });
    who.input.id = "catch-mine";
    const cover = checkbox("Cover the ball: the network does not see it", (on) => {
      this.covered = on;
      this.draw();
    });
    cover.input.id = "catch-cover";
    const speed = slider("Frames per second", { min: 1, max: 20, value: this.speed, id: "catch-speed" }, (n) => `${n}`, (n) => (this.speed = n));
    this.moves = el("div", { class: "moves", role: "group", "aria-label": "Your moves" }, ...["◀ left", "stay", "right ▶"].map((text, action) => {
      const made = el("button", { type: "button", id: `catch-move-${action}` }, text);
      made.addEventListener("pointerdown", () => this.held.add(action));
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) made.addEventListener(end, () => this.held.delete(action));
      // A key on the button, or a click while the game stands, is one move.
      made.addEventListener("click", (event) => {
        if (!this.running || event.detail === 0) this.once = action;
        if (!this.running) this.step();
      });
      return made;
    }));
    this.moves.hidden = true;
    root.append(
      el("p", {}, `The ball falls down a screen of ${this.size}×${this.size} pixels; the paddle of two pixels at the bottom can catch it. The network sees what lies in its ${facts.scales} squares, the larger ones coarsely, and it learned only from being told whether it caught the ball.${facts.test_count ? ` It catches ${percent(1 - facts.test_error)} of ${facts.test_count.toLocaleString("en")} games.` : ""}`),
      this.root = el("div", { class: "board", role: "group", "aria-label": "Catch. The arrow keys move your paddle." },
        el("div", {}, el("figure", { class: "picture" }, this.screen, el("figcaption", {}, "Orange: what the network looks at next. Blue: its path. A covered ball is drawn hollow.")),
          el("div", { class: "controls" }, this.start, button("One frame", () => this.step(), { id: "catch-step" }), button("New game", () => this.begin(), { id: "catch-new" })), this.moves),
        el("div", {}, this.status, this.totals, el("div", { class: "fields" }, who.root, cover.root, speed.root), this.seen, this.beliefs)));
    const action = { ArrowLeft: 0, ArrowRight: 2 };
    addEventListener("keydown", (event) => {
      if (!this.mine || root.hidden || action[event.key] === undefined || event.target.type === "range") return;
      event.preventDefault();
      this.held.add(action[event.key]);
      if (!event.repeat) this.once = action[event.key];
      if (!this.running && !event.repeat) this.step();
    });
    addEventListener("keyup", (event) => this.held.delete(action[event.key]));
    document.addEventListener("visibilitychange", () => document.hidden && this.stop());
  }

  begin() {
    this.number += 1;
    const { screen, next } = this.engine.ask({ ask: "play", network: this.network, number: this.number });
    Object.assign(this, { pixels: screen, next, glimpse: null, frame: 0, done: false, path: [next.location], by: null });
    this.played = (this.played ?? 0) + 1;
    this.status.textContent = `Game ${this.played}`;
    this.draw();
  }

  /** A frame of the game. */
  step() {
    if (this.done) this.begin();
    const question = { ask: "move", network: this.network, covered: this.covered };
    if (this.mine) question.action = this.once ?? [...this.held].at(-1) ?? 1;
    this.once = null;
    this.by = this.mine ? "you" : this.by ?? "network";
    const answer = this.engine.ask(question);
    Object.assign(this, { pixels: answer.screen, next: answer.next, glimpse: answer, done: answer.done });
    this.path = [...this.path, answer.next.location].slice(-6);
    this.frame += 1;
    if (this.done) {
      const caught = answer.reward > 0;
      const score = this.score[this.by];
      score[0] += caught ? 1 : 0;
      score[1] += 1;
      this.status.textContent = `${this.by === "you" ? "You" : "The network"} ${caught ? "caught" : "missed"} the ball.`;
      const told = (name, [won, all]) => (all ? [`${name} caught ${won} of ${all}`] : []);
      this.totals.textContent = [...told("The network", this.score.network), ...told("You", this.score.you)].join(". ");
    }
    this.draw();
  }

  draw() {
    const { size, facts } = this;
    const parts = [svg("rect", { width: size, height: size, fill: "#000" }), svg("rect", { class: "frame", width: size, height: size })];
    this.pixels.forEach((level, at) => {
      if (level === 0) return;
      const [x, y] = [at % size, Math.floor(at / size)];
      const hollow = this.covered && y < size - 1;
      parts.push(svg("rect", { x: x + (hollow ? 0.1 : 0), y: y + (hollow ? 0.1 : 0), width: hollow ? 0.8 : 1, height: hollow ? 0.8 : 1, fill: hollow ? "none" : "#fff", stroke: hollow ? "#fff" : "none", "stroke-width": 0.15 }));
    });
    if (!this.done) parts.push(...gazeMarks(windowsAt(this.next.location, this.next.zoom, facts), this.path, size));
    this.screen.replaceChildren(...parts);
    this.screen.setAttribute("aria-label", `Catch, frame ${this.frame} of ${facts.glimpses}${this.done ? ", the game is over" : ""}`);
    if (!this.glimpse) return;
    const made = this.glimpse.made;
    this.seen.replaceChildren(composed(levels(this.glimpse.rho), [facts.patch, facts.scales], 1), el("figcaption", {}, "What the network saw in the last glimpse"));
    this.beliefs.replaceChildren(el("h3", {}, "What it wanted to do"), believed(facts.outputs, this.glimpse.probabilities, null), el("p", {}, `Move made: ${facts.outputs[made]}. It expected a return of ${(this.glimpse.baseline ?? 0).toFixed(2)}.`));
  }

  toggle() {
    if (this.running) return this.stop();
    this.running = true;
    this.start.textContent = "❚❚ pause";
    let last = performance.now();
    const frame = (now) => {
      if (!this.running) return;
      const pause = this.done ? 700 : 1000 / this.speed;
      if (now - last >= pause) {
        last = now;
        this.step();
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  stop() {
    this.running = false;
    this.start.textContent = "▶ start";
  }
}
