"use strict";

/** Signed bytes around 128 on a canvas: the sign by colour, the size by opacity, so that it suits light and dark. */
function paintSigned(context, bytes, height, width, left, top) {
  const image = new ImageData(width, height);
  bytes.forEach((byte, i) => {
    const x = (byte - 128) / 127;
    image.data.set(x > 0 ? [213, 94, 0] : [0, 114, 178], 4 * i);
    image.data[4 * i + 3] = Math.round(255 * Math.min(1, Math.abs(x)));
  });
  context.putImageData(image, left, top);
}

/** Steps through the glimpses of images, or the frames of games. */
class Player {
  constructor(parent, report) {
    this.report = report;
    this.items = report.items;
    this.games = report.kind === "game";
    this.glimpses = report.retina !== null && report.retina !== undefined;
    this.item = 0;
    this.step = 0;
    this.timer = null;
    this.build(parent);
    this.open(0);
  }

  /** Another image, at its decision; another game, at its beginning. */
  open(item) {
    this.stop();
    this.show(item, this.games ? 0 : Infinity);
  }

  build(parent) {
    const noun = this.games ? "game" : "image";
    const button = (label, text, action) => {
      const made = el("button", { type: "button", "aria-label": label, title: label }, text);
      made.addEventListener("click", action);
      return made;
    };
    this.thumbs = this.items.map((item, i) => {
      const made = el("button", { type: "button", "aria-pressed": "false", "aria-label": this.name(item) }, this.still(item, 0), this.short(item));
      made.addEventListener("click", () => this.open(i));
      return made;
    });
    this.screen = svg("svg", { role: "img", class: "screen" });
    this.seen = el("figure", { class: "picture" });
    this.moved = el("figure", { class: "picture" });
    this.beliefs = el("div");
    this.slider = el("input", { type: "range", min: 1, value: 1, step: 1, "aria-label": this.games ? "Frame" : "Glimpse" });
    this.slider.addEventListener("input", () => this.show(this.item, Number(this.slider.value) - 1));
    this.playing = button("Play", "▶ play", () => this.toggle());
    const steps = el("div", { class: "controls", role: "group", "aria-label": "Steps" },
      button(this.games ? "Frame before" : "Glimpse before", "◀", () => this.show(this.item, this.step - 1)),
      this.slider,
      button(this.games ? "Next frame" : "Next glimpse", "▶", () => this.show(this.item, this.step + 1)),
      this.playing);
    steps.hidden = !this.glimpses;
    this.status = el("p", { "aria-live": "polite", class: "status" });
    const keys = this.glimpses
      ? `Arrow keys: left and right step, up and down change the ${noun}.`
      : `Arrow keys up and down change the ${noun}.`;
    this.root = el("div", { class: "playing", tabindex: 0, role: "group", "aria-label": `Player. ${keys}` },
      el("div", { class: "thumbs", role: "group", "aria-label": this.games ? "Games, the lost ones first" : "Images, the wrong ones first" }, ...this.thumbs),
      el("div", {},
        this.status,
        el("div", { class: "stage" },
          el("figure", { class: "picture" }, this.screen, this.caption = el("figcaption")),
          el("div", { class: "aside" }, this.seen, this.moved)),
        el("div", { class: "controls", role: "group", "aria-label": noun },
          button(`${noun} before`, `↑ ${noun}`, () => this.open(this.item - 1)),
          button(`Next ${noun}`, `↓ ${noun}`, () => this.open(this.item + 1))),
        steps,
        this.beliefs,
        el("p", { class: "faint" }, keys)));
    this.root.addEventListener("keydown", (event) => this.key(event));
    parent.append(this.root);
  }

  key(event) {
    // The slider's own keys are its own; their change comes as an input.
    if (event.target === this.slider || event.altKey || event.ctrlKey || event.metaKey) return;
    const action = {
      ArrowLeft: () => this.show(this.item, this.step - 1),
      ArrowRight: () => this.show(this.item, this.step + 1),
      ArrowUp: () => this.open(this.item - 1),
      ArrowDown: () => this.open(this.item + 1),
      Home: () => this.show(this.item, 0),
      End: () => this.show(this.item, Infinity),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  toggle() {
    if (this.timer !== null) return this.stop();
    if (this.step >= this.length() - 1) this.show(this.item, 0);
    this.timer = setInterval(() => {
      if (this.step >= this.length() - 1) this.stop();
      else this.show(this.item, this.step + 1);
    }, this.games ? 200 : 800);
    this.playing.textContent = "❚❚ pause";
    this.playing.setAttribute("aria-label", "Pause");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing.textContent = "▶ play";
    this.playing.setAttribute("aria-label", "Play");
  }

  /** Steps of the item at hand: a game has its end beside its frames. */
  length() {
    const item = this.items[this.item];
    return item.steps.length + (item.end ? 1 : 0);
  }

  class(index) {
    return this.report.classes[index] ?? String(index);
  }

  name(item) {
    if (this.games) return `Game ${item.index}, ${item.right ? "won" : "lost"}`;
    return item.right
      ? `Image ${item.index}, a ${this.class(item.label)}`
      : `Image ${item.index}, a ${this.class(item.label)} taken for ${this.class(item.answer)}`;
  }

  short(item) {
    if (this.games) return item.right ? "✓ won" : "✗ lost";
    return item.right ? `✓ ${this.class(item.label)}` : `✗ ${this.class(item.label)}→${this.class(item.answer)}`;
  }

  /** What lies under the windows: the image, or a frame of a game. */
  still(item, step) {
    const [channels, height, width] = item.size;
    const pixels = item.steps[step]?.frame ?? item.pixels;
    if (pixels) return picture(bytesOf(pixels), channels, ...(item.embedded ?? [height, width]));
    const bytes = new Uint8Array(height * width);
    for (const at of item.steps[step]?.lit ?? item.end) bytes[at] = 255;
    return picture(bytes, 1, height, width);
  }

  show(item, step) {
    this.item = Math.max(0, Math.min(this.items.length - 1, item));
    const now = this.items[this.item];
    this.step = Math.max(0, Math.min(this.length() - 1, step));
    this.root.dataset.item = this.item;
    this.root.dataset.step = this.step;
    this.thumbs.forEach((thumb, i) => thumb.setAttribute("aria-pressed", String(i === this.item)));
    this.slider.max = this.length();
    this.slider.value = this.step + 1;
    const at = now.steps[this.step];
    this.drawScreen(now, at);
    this.drawAside(now, at);
    this.drawBeliefs(now, at);
    const where = this.glimpses ? `, ${this.games ? "frame" : "glimpse"} ${this.step + 1} of ${this.length()}` : "";
    this.status.textContent = `${this.name(now)}${where}: ${this.belief(now, at)}`;
    this.slider.setAttribute("aria-valuetext", this.status.textContent);
  }

  belief(item, at) {
    if (!at) return item.right ? "the game is won" : "the game is lost";
    const best = at.action ?? at.probabilities.indexOf(Math.max(...at.probabilities));
    return `${this.class(best)} at ${percent(at.probabilities[best], 0)}`;
  }

  drawScreen(item, at) {
    const [, height, width] = item.size;
    // Room for windows that leave the image, up to a quarter of it.
    const beyond = item.steps.flatMap(({ windows = [] }) => windows.slice(0, 1).flatMap(([x, y, side]) => [-x, -y, x + side - width, y + side - height]));
    const margin = Math.ceil(Math.max(0, Math.min(width / 4, Math.max(0, ...beyond))) + width * 0.02);
    const parts = [
      svg("image", { href: this.still(item, this.step).toDataURL(), width, height, style: "image-rendering: pixelated" }),
      svg("rect", { class: "frame", width, height }),
    ];
    if (at?.at) {
      const place = ({ at: [x, y] }) => [((x + 1) / 2) * width, ((y + 1) / 2) * height];
      const path = item.steps.slice(this.games || at.frame ? Math.max(0, this.step - 5) : 0, this.step + 1).map(place);
      const points = path.map((p) => p.join(",")).join(" ");
      at.windows.forEach(([x, y, side], scale) => {
        const box = { x, y, width: side, height: side };
        parts.push(svg("rect", { class: "halo", ...box }), svg("rect", { class: `window${scale ? " coarse" : ""}`, ...box }));
      });
      parts.push(svg("polyline", { class: "halo", points }), svg("polyline", { class: "trail", points }));
      path.forEach(([cx, cy], i) => {
        parts.push(svg("circle", { class: `stop${i === path.length - 1 ? " now" : ""}`, cx, cy, r: width / 60 }));
      });
    }
    this.screen.setAttribute("viewBox", `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`);
    this.screen.setAttribute("aria-label", this.name(item));
    this.screen.replaceChildren(...parts);
    this.caption.textContent = !at?.at
      ? this.games ? "The screen after the last move" : "The image"
      : `${this.games ? "The screen" : "The image"}, the patches looked at (orange; dashed the coarser ones) and the path so far (blue)`;
  }

  drawAside(item, at) {
    this.seen.hidden = !at?.rho;
    if (at?.rho) this.seen.replaceChildren(composed(bytesOf(at.rho), this.report.retina, item.size[0]), el("figcaption", {}, "The glimpse: everything that the network sees at this step"));
    this.moved.hidden = !item.saliency;
    if (item.saliency) {
      const [height, width] = item.embedded ?? item.size.slice(1);
      const canvas = el("canvas", { width, height, class: "gradient" });
      const context = canvas.getContext("2d");
      paintSigned(context, bytesOf(item.saliency), height, width, 0, 0);
      // The image behind it: grey, its levels by opacity.
      const behind = el("canvas", { width, height });
      const levels = bytesOf(item.pixels);
      const image = new ImageData(width, height);
      for (let i = 0; i < width * height; i++) image.data.set([128, 128, 128, levels[i] * 0.4], 4 * i);
      behind.getContext("2d").putImageData(image, 0, 0);
      context.globalCompositeOperation = "destination-over";
      context.drawImage(behind, 0, 0);
      this.moved.replaceChildren(canvas, el("figcaption", {}, `Pixels that change the decision: if they were brighter, they would speak for ${this.class(item.answer)} (orange) or against it (blue)`));
    }
  }

  drawBeliefs(item, at) {
    if (!at) return this.beliefs.replaceChildren();
    const leader = at.probabilities.indexOf(Math.max(...at.probabilities));
    const rows = at.probabilities.map((value, i) => ({
      name: this.class(i) + (i === item.label ? " (label)" : ""), value,
      mark: i === item.label ? "truth" : i === leader && item.label !== undefined ? "wrong" : null,
    }));
    const shown = rows.length <= 20 ? rows : rows.slice().sort((a, b) => b.value - a.value).slice(0, 10);
    const parts = [el("h3", {}, this.games ? "Probability of each action" : "Probability of each class, so far"), bars(shown, 1, (p) => percent(p, 1), "Probabilities")];
    if (at.baseline !== undefined && at.baseline !== null) {
      parts.push(el("h3", {}, "Baseline: the return that the network expects"), bars([{ name: "b", value: Math.max(0, at.baseline) }], 1, () => at.baseline.toFixed(2), "Baseline"));
    }
    this.beliefs.replaceChildren(...parts);
  }
}
