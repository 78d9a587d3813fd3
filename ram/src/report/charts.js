"use strict";

/** Adds a cursor to a chart of the page: a pointer, touch and the arrow keys move it, and it tells the values of the curves. */
class Cursor {
  /** The charts of a `group` share the place of their cursors. */
  constructor(picture, group) {
    Object.assign(this, JSON.parse(picture.dataset.chart), { picture, group, index: null });
    this.readout = picture.parentElement.querySelector(".readout");
    this.marks = svg("g");
    picture.append(this.marks);
    const slider = { tabindex: 0, role: "slider", "aria-valuemin": this.x[0], "aria-valuemax": this.x.at(-1), "aria-valuenow": this.x[0], "aria-valuetext": this.say(0) };
    fill(picture, slider, []);
    group.push(this);
    this.listen();
  }

  say(index) {
    const parts = this.series
      .filter(({ values }) => values[index] !== "")
      .map(({ name, values }) => (this.series.length > 1 ? `${name} ` : "") + values[index]);
    return `${this.along} ${this.x[index]}: ${parts.join(", ") || "none"}`;
  }

  listen() {
    const pointAll = (index) => this.group.forEach((cursor) => cursor.point(index));
    this.picture.addEventListener("pointermove", (event) => {
      const { left, width } = this.picture.getBoundingClientRect();
      const x = ((event.clientX - left) / width) * this.picture.viewBox.baseVal.width;
      const away = this.at.map((at) => Math.abs(at - x));
      pointAll(away.indexOf(Math.min(...away)));
    });
    this.picture.addEventListener("pointerleave", () => pointAll(null));
    this.picture.addEventListener("blur", () => pointAll(null));
    this.picture.addEventListener("keydown", (event) => {
      const last = this.x.length - 1;
      const now = this.index ?? -1;
      const to = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: last, PageUp: now + 10, PageDown: now - 10 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      pointAll(Math.max(0, Math.min(last, to)));
    });
  }

  /** Puts the cursor at a value of the horizontal axis, or takes it away. */
  point(index) {
    this.index = index;
    if (index === null) {
      this.marks.replaceChildren();
      this.readout.textContent = "";
      return;
    }
    const [x, [y1, y2]] = [this.at[index], this.ends];
    // Of a chart with two pictures, one is hidden.
    const shown = [...this.picture.querySelectorAll(".series")].filter((curve) => getComputedStyle(curve.parentElement).display !== "none");
    this.marks.replaceChildren(svg("line", { class: "cursor", x1: x, x2: x, y1, y2 }), ...shown.flatMap((curve) => this.dot(curve, x)));
    this.readout.textContent = this.say(index);
    this.picture.setAttribute("aria-valuenow", this.x[index]);
    this.picture.setAttribute("aria-valuetext", this.say(index));
  }

  /** A dot where a drawn curve has a point at `x`. */
  dot(curve, x) {
    for (const shape of curve.children) {
      const points = shape.getAttribute("points")?.split(" ") ?? [`${shape.getAttribute("cx")},${shape.getAttribute("cy")}`];
      const point = points.map((text) => text.split(",")).find(([at]) => at === x);
      if (point) return [svg("circle", { cx: x, cy: point[1], r: 4, fill: shape.getAttribute("stroke") ?? shape.getAttribute("fill") })];
    }
    return [];
  }
}
