// A headless Chromium that is driven as a reader would use it. Speaks the DevTools protocol through the browser's pipe; nothing is
// to be installed beside it.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

export const check = (holds, what) => {
  if (!holds) throw new Error(what);
};

/** Fails after a minute. */
const tooLong = (what) => new Promise((_, failed) => setTimeout(() => failed(new Error(`${what} takes too long`)), 60_000).unref());

/** A page of a new browser, driven through its debugging pipe: JSON with a 0 behind each message. */
export class Page {
  static async open(profile) {
    const page = new Page();
    const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
    page.browser = spawn(process.env.CHROMIUM ?? "chromium", [...options, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    page.ended = new Promise((ended) => page.browser.once("exit", ended));
    page.broken = new Promise((_, failed) => page.browser.once("error", failed).once("exit", (code) => failed(new Error(`chromium ended with ${code}`))));
    page.broken.catch(() => {});
    Object.assign(page, { waiting: new Map(), complaints: [], requests: [], last: 0 });
    let text = "";
    page.browser.stdio[4].setEncoding("utf8").on("data", (more) => {
      const messages = (text + more).split("\0");
      text = messages.pop();
      for (const message of messages) page.heard(JSON.parse(message));
    });
    const { targetId } = await page.ask("Target.createTarget", { url: "about:blank" });
    page.session = (await page.ask("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.ask(`${domain}.enable`);
    return page;
  }

  async close() {
    this.browser.kill();
    await this.ended;
  }

  heard({ id, result, error, method, params }) {
    if (id !== undefined) {
      const { found, failed } = this.waiting.get(id);
      this.waiting.delete(id);
      return error ? failed(new Error(error.message)) : found(result);
    }
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) this.complaints.push(JSON.stringify(params.args));
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) this.complaints.push(params.entry.text);
    if (method === "Network.requestWillBeSent" && !params.request.url.startsWith("data:")) this.requests.push(params.request.url);
    if (method === "Page.loadEventFired") this.loaded?.();
  }

  ask(method, params = {}) {
    this.last += 1;
    const id = this.last;
    const answer = new Promise((found, failed) => this.waiting.set(id, { found, failed }));
    this.browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.session })}\0`);
    return Promise.race([answer, this.broken, tooLong(method)]);
  }

  async eval(expression) {
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    check(!exceptionDetails, `${expression}: ${exceptionDetails?.exception?.description}`);
    return result.value;
  }

  async go(url, { width, height, dark, phone }) {
    await this.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: phone });
    await this.ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    const loaded = new Promise((done) => (this.loaded = done));
    await this.ask("Page.navigate", { url });
    await loaded;
    await this.frame();
  }

  /** Waits until what was changed is drawn. */
  frame() {
    return this.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
  }

  /** Clicks the middle of an element, as a mouse does. */
  async click(selector) {
    const at = await this.eval(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: "center" });
      const { left, top, width, height } = element.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    })()`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.ask("Input.dispatchMouseEvent", { type, x: at[0], y: at[1], button: "left", clickCount: 1 });
    }
    await this.frame();
  }

  async key(key) {
    const windowsVirtualKeyCode = { ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40, Home: 36, End: 35, Tab: 9 }[key];
    for (const type of ["keyDown", "keyUp"]) await this.ask("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode });
    await this.frame();
  }

  async screenshot(path) {
    const { data } = await this.ask("Page.captureScreenshot", { captureBeyondViewport: true, format: "png" });
    writeFileSync(path, Buffer.from(data, "base64"));
  }
}

/** Nothing is wider than the window, and no heading of a table is broken within a word. */
export async function widths(page, name) {
  const wide = await page.eval(`(() => {
    const width = document.documentElement.clientWidth;
    const beyond = [...document.querySelectorAll("main *, header *")].filter((e) => !e.closest(".wide, pre, .thumbs") && e.getBoundingClientRect().right > width + 1);
    return [document.documentElement.scrollWidth, width, beyond.slice(0, 3).map((e) => e.outerHTML.slice(0, 80))];
  })()`);
  // A heading of a table that is broken within a word is narrower than its longest word.
  const broken = await page.eval(`(() => {
    const pen = document.createElement("canvas").getContext("2d");
    return [...document.querySelectorAll("th")].filter((e) => {
      const style = getComputedStyle(e);
      pen.font = style.font;
      const longest = Math.max(0, ...e.textContent.split(/\\s+/).map((word) => pen.measureText(word).width));
      return e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) < longest - 2;
    }).map((e) => e.textContent).slice(0, 3);
  })()`);
  check(broken.length === 0, `${name}: headings of tables are broken within a word: ${broken.join("; ")}`);
  check(wide[0] <= wide[1] && wide[2].length === 0, `${name} is wider than the window: ${JSON.stringify(wide)}`);
}

/** Text that is too faint on what lies behind it (WCAG: 4.5 to 1). */
export async function contrast(page, name) {
  const faint = await page.eval(`(() => {
    const rgb = (text) => { const c = document.createElement("canvas").getContext("2d", { willReadFrequently: true }); c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
    const luminance = (c) => c.slice(0, 3).map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)).reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
    const found = [];
    for (const e of document.querySelectorAll("p, li, a, small, figcaption, h1, h2, h3, th, button, caption, output, pre, .chart text")) {
      const style = getComputedStyle(e);
      if (!e.textContent.trim() || e.closest("[hidden], .skip")) continue;
      const [a, b] = [luminance(rgb(e instanceof SVGElement ? style.fill : style.color)), luminance(behind(e))].sort((x, y) => y - x);
      if ((a + 0.05) / (b + 0.05) < 4.5) found.push(e.tagName + " " + e.textContent.slice(0, 40) + " " + ((a + 0.05) / (b + 0.05)).toFixed(2));
    }
    return found.slice(0, 5);
  })()`);
  check(faint.length === 0, `${name}: too faint: ${faint.join("; ")}`);
}

/** What a screen reader would miss. */
export async function names(page, name) {
  const missing = await page.eval(`[...document.querySelectorAll("button, input, [role=img], [role=slider], [tabindex='0'], figure > canvas[role]")]
    .filter((e) => !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML.slice(0, 80))`);
  check(missing.length === 0, `${name}: without a name: ${missing}`);
  check((await page.eval("document.querySelectorAll('h1').length")) === 1 && (await page.eval("document.documentElement.lang")) === "en", `${name}: heading or language`);
  const twice = await page.eval("(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.filter((id, i) => ids.indexOf(id) !== i); })()");
  check(twice.length === 0, `${name}: ids that are there twice: ${twice}`);
}
