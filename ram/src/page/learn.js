"use strict";

/** A small agent that learns in a thread of its own. */
class Learn {
  constructor(root, module) {
    Object.assign(this, { module, waiting: new Map(), asked: 0, running: false, rate: 2e-3, std: 0.15, steps: 0, chunk: 5, errors: [] });
    this.build(root);
  }

  build(root) {
    const rates = slider("Learning rate", { min: -50, max: -10, value: Math.round(10 * Math.log10(this.rate)), id: "learn-rate" },
      (n) => brief(Number((10 ** (n / 10)).toPrecision(2))), (n) => (this.rate = Number((10 ** (n / 10)).toPrecision(2))));
    const stds = slider("σ of the policy", { min: 1, max: 60, value: 100 * this.std, id: "learn-std" }, (n) => (n / 100).toFixed(2), (n) => (this.std = n / 100));
    const choice = (value, text) => el("option", { value }, text);
    this.baseline = el("select", { id: "learn-baseline" }, choice("learned", "learned, as in the paper"), choice("none", "none"));
    this.baseline.addEventListener("change", () => this.change(`loss.baseline=${this.baseline.value}`));
    this.start = button("▶ start", () => this.toggle(), { id: "learn-start", class: "main" });
    this.one = button("One update", () => this.update(1), { id: "learn-one" });
    this.status = el("p", { class: "status", "aria-live": "off", id: "learn-status" });
    this.plots = {
      error: new Plot("Error", [["c1", "training"], ["c2", "held-out images"]]),
      terms: new Plot("Terms of the loss", [["c1", "class"], ["c2", "location"], ["c3", "baseline"]]),
      norms: new Plot("Gradient norm of each term", [["c1", "class"], ["c2", "location"], ["c3", "baseline"]]),
      noise: new Plot("Gradient of the location network", [["c1", "its mean: the signal"], ["c2", "its standard deviation: the noise"]]),
    };
    this.shown = el("div", { class: "shown", id: "learn-shown" });
    root.append(
      el("p", {}, "Here a small network learns from scratch, in this page: it takes 4 glimpses of two 8×8 patches at an image of 44×44 pixels with a digit somewhere. You can see it learn within a minute. It is told only which digit it was, never where."),
      el("div", { class: "board" },
        el("div", {},
          el("div", { class: "controls" }, this.start, this.one, button("Start over", () => this.begin(), { id: "learn-again" })),
          this.status,
          el("div", { class: "fields" }, rates.root, stds.root, el("label", { class: "field" }, el("span", {}, "Baseline b"), this.baseline)),
          el("p", { class: "faint" }, "Try it: without the baseline, the noise of the location network's gradient grows, and the network learns more slowly. With ten times the learning rate it hardly learns. With σ = 0.01 all glimpses are alike, so there is nothing to compare; with σ = 0.6 they miss the digit. The location term is that of eq. (2); the class and the baseline have terms of their own.")),
        el("div", {}, el("h3", {}, "Where it looks on held-out images"), this.shown)),
      el("div", { class: "charts" }, ...Object.values(this.plots).map(({ root }) => root)));
    this.status.textContent = "Not started.";
  }

  /** Asks the thread, which is started when it is first needed. */
  async ask(question) {
    if (!this.worker) {
      const code = ["engine-script", "worker-script"].map((id) => document.getElementById(id).textContent).join("\n");
      this.worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
      this.worker.onmessage = ({ data: { number, answer, trouble } }) => {
        const { found, failed } = this.waiting.get(number) ?? {};
        this.waiting.delete(number);
        if (trouble === undefined) found?.(answer);
        else failed?.(new Error(trouble));
      };
      this.worker.postMessage({ module: this.module });
    }
    this.asked += 1;
    const number = this.asked;
    const answer = new Promise((found, failed) => this.waiting.set(number, { found, failed }));
    this.worker.postMessage({ number, question });
    return answer;
  }

  /** A new network, when what is under way has ended. */
  begin() {
    this.pause();
    this.busy = Promise.resolve(this.busy).then(() => this.fresh());
    return this.busy;
  }

  async fresh() {
    this.facts = await this.ask({ ask: "train", sets: [`loss.baseline=${this.baseline.value}`] });
    Object.assign(this, { steps: 0, errors: [], examined: 0 });
    Object.values(this.plots).forEach((plot) => plot.clear());
    this.shown.replaceChildren();
    this.status.textContent = `A new network, ${this.facts.batch} images per update.`;
    await this.examine();
  }

  /** Makes updates, one after the other: at most one request is under way. */
  update(steps) {
    const before = this.busy ?? Promise.resolve();
    this.busy = before.then(() => this.updated(steps)).catch((error) => {
      this.pause();
      this.status.textContent = error.message;
    });
    return this.busy;
  }

  async updated(steps) {
    if (!this.facts) await this.fresh();
    const begun = performance.now();
    const { losses, steps: done, images } = await this.ask({ ask: "update", steps, learning_rate: this.rate, std: this.std });
    // As many updates at once as take a fifth of a second.
    if (steps > 1) this.chunk = Math.max(1, Math.min(50, Math.round((200 * steps) / (performance.now() - begun))));
    this.steps = done;
    this.errors = [...this.errors, ...losses.map(({ error }) => error)].slice(-30);
    const error = this.errors.reduce((sum, e) => sum + e, 0) / this.errors.length;
    const mean = (name) => losses.reduce((sum, l) => sum + l[name], 0) / losses.length;
    this.plots.error.add(0, done, error);
    ["classification", "location", "baseline"].forEach((name, i) => this.plots.terms.add(i, done, mean(name)));
    if (done - this.examined >= 40 || steps === 1) await this.examine();
    this.status.textContent = `${done} updates, ${images.toLocaleString("en")} images: error ${percent(error, 0)} in training, reward ${mean("reward").toFixed(2)}, ${percent(this.found, 1)} on held-out images`;
    this.plots.error.draw();
    this.plots.terms.draw();
  }

  async examine() {
    this.examined = this.steps;
    const { error, traces } = await this.ask({ ask: "examine", shown: 8 });
    const { norms, mean, deviation } = await this.ask({ ask: "gradients", draws: 8, std: this.std });
    this.found = error;
    this.plots.error.add(1, this.steps, error);
    norms.forEach(({ norm }, i) => this.plots.norms.add(i, this.steps, norm));
    this.plots.noise.add(0, this.steps, mean);
    this.plots.noise.add(1, this.steps, deviation);
    Object.values(this.plots).forEach((plot) => plot.draw());
    const { size } = this.facts;
    this.shown.replaceChildren(...traces.map(({ pictures, label, glimpses }) => {
      const answer = leader(glimpses.at(-1).probabilities);
      const view = svg("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": answer === label ? `${aDigit(label)}, recognised` : `${aDigit(label)}, taken for ${aDigit(answer)}` },
        still(pictures[0], size), ...gazeMarks(glimpses.at(-1).windows.slice(0, 1), glimpses.map(({ location }) => location), size));
      return el("figure", { class: answer === label ? "right" : "" }, view, el("figcaption", {}, answer === label ? `✓ ${label}` : `✗ ${label} → ${answer}`));
    }));
  }

  async change(set) {
    if (!this.facts) return;
    await this.busy;
    try {
      await this.ask({ ask: "change", set });
    } catch (error) {
      this.status.textContent = error.message;
    }
  }

  async toggle() {
    if (this.running) return this.pause();
    this.running = true;
    this.start.textContent = "❚❚ pause";
    while (this.running) await this.update(this.chunk);
  }

  pause() {
    this.running = false;
    this.start.textContent = "▶ start";
  }
}
