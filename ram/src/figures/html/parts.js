"use strict";

// What the scripts of reports and of the page share.

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

/** Bars from 0 to `top`, one a line. */
function bars(rows, top, format, label) {
  const item = ({ name, value, mark }) =>
    el("li", { class: mark }, el("span", {}, name),
      el("div", { class: "bar", "aria-hidden": "true" }, el("div", { style: `width:${Math.min(100, (100 * value) / (top || 1)).toFixed(1)}%` })),
      el("span", { class: "value" }, format(value)));
  const longest = Math.max(...rows.map(({ name }) => name.length));
  return el("ol", { class: "bars", "aria-label": label, style: `--name: ${longest}ch` }, ...rows.map(item));
}

/** Bytes from base 64. */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** A canvas of [channels, height, width] bytes. */
function picture(bytes, channels, height, width) {
  const canvas = el("canvas", { width, height });
  const image = new ImageData(width, height);
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels >= 3 ? c * plane : 0) + i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Patches of ρ laid over each other, the finest in the middle: what the glimpse shows of the image. */
function composed(bytes, [side, scales], channels) {
  const whole = side << (scales - 1);
  const canvas = el("canvas", { width: whole, height: whole });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const plane = side * side;
  for (let scale = scales - 1; scale >= 0; scale--) {
    const patch = new Uint8Array(channels * plane);
    for (let c = 0; c < channels; c++) patch.set(bytes.subarray((c * scales + scale) * plane, (c * scales + scale + 1) * plane), c * plane);
    const width = side << scale;
    context.drawImage(picture(patch, channels, side, side), (whole - width) / 2, (whole - width) / 2, width, width);
  }
  return canvas;
}
