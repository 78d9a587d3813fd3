// Opens reports in a headless Chromium and uses them as a reader would: node .ci/browser.mjs SCREENSHOTS REPORT.html…
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { Page, check, contrast, names, widths } from "./chromium.mjs";

const [screenshots, ...reports] = process.argv.slice(2);
/** Item and step of the player. */
const place = (page) => page.eval("(({ item, step }) => `${item}.${step}`)(document.querySelector('.playing').dataset)");

/** The player by mouse and by keys. */
async function play(page, name) {
  const steps = await page.eval("report.items[0].steps.length + (report.items[0].end ? 1 : 0)");
  // An image is opened at its decision, a game at its beginning.
  const opened = (await page.eval("report.items[0].end !== undefined")) ? 0 : steps - 1;
  check((await place(page)) === `0.${opened}`, `${name}: the player begins at ${await place(page)}`);
  const focus = (selector) => page.eval(`document.querySelector("${selector}").focus()`);
  await focus(".playing");
  if (steps > 1) {
    await page.key("Home");
    check((await place(page)) === "0.0", `${name}: Home goes to ${await place(page)}`);
    const said = await page.eval("document.querySelector('.status').textContent");
    await page.click("button[aria-label^='Next glimpse'], button[aria-label^='Next frame']");
    check((await place(page)) === "0.1", `${name}: a click does not step, but goes to ${await place(page)}`);
    check((await page.eval("document.querySelector('.status').textContent")) !== said, `${name}: the step is not told`);
    await page.key("ArrowLeft");
    check((await place(page)) === "0.0", `${name}: the left key does not step back`);
    for (let i = 0; i < steps + 3; i++) await page.key("ArrowRight");
    check((await place(page)) === `0.${steps - 1}`, `${name}: the right key ends at ${await place(page)}`);
    await focus(".playing input");
    await page.key("Home");
    await page.key("ArrowRight");
    check((await place(page)) === "0.1", `${name}: the slider does not step, but goes to ${await place(page)}`);
    const windows = await page.eval("document.querySelectorAll('.screen .window').length");
    check(windows === (await page.eval("report.retina[1]")), `${name}: ${windows} windows`);
  }
  await focus(".playing");
  await page.key("ArrowDown");
  check((await place(page)) === `1.${opened}`, `${name}: the down key goes to ${await place(page)}`);
  await page.click(".thumbs button:nth-child(1)");
  check((await place(page)) === `0.${opened}`, `${name}: a thumbnail goes to ${await place(page)}`);
  check(await page.eval("document.querySelector('.thumbs [aria-pressed=true] canvas') !== null"), `${name}: no thumbnail is marked`);
}

/** The cursor of the curves, by keys and by pointer. */
async function hover(page, name) {
  if ((await page.eval("report.epochs.length")) === 0) {
    const told = await page.eval("document.querySelector('#curves .body').textContent");
    check(told.includes("not kept"), `${name}: the curves are missing, and it says ${told}`);
    return;
  }
  const chart = "#curves .chart svg[role=slider]";
  await page.eval(`document.querySelector("${chart}").focus()`);
  await page.key("Home");
  const first = await page.eval("document.querySelector('#curves .readout').textContent");
  check(first.startsWith("epoch 1: "), `${name}: the cursor says ${first}`);
  const at = await page.eval(`(() => { const c = document.querySelector("${chart}"); c.scrollIntoView({ block: "center" }); const r = c.getBoundingClientRect(); return [r.right - 10, r.top + 60]; })()`);
  await page.ask("Input.dispatchMouseEvent", { type: "mouseMoved", x: at[0], y: at[1] });
  await page.frame();
  const last = await page.eval("document.querySelector('#curves .readout').textContent");
  check(last.startsWith(`epoch ${await page.eval("report.epochs.at(-1).epoch")}: `), `${name}: the pointer says ${last}`);
  await page.click("#log");
  await page.frame();
}

const profile = mkdtempSync(join(tmpdir(), "ram-browser-"));
const page = await Page.open(profile);
try {
  mkdirSync(screenshots, { recursive: true });
  for (const report of reports) {
    const url = pathToFileURL(resolve(report)).href;
    for (const [width, height, phone] of [[1280, 900, false], [390, 844, true]]) {
      for (const dark of [false, true]) {
        const name = `${basename(dirname(resolve(report)))}-${width}-${dark ? "dark" : "light"}`;
        Object.assign(page, { complaints: [], requests: [] });
        await page.go(url, { width, height, dark, phone });
        check(await page.eval("document.querySelectorAll('main > section:not([hidden])').length > 3"), `${name}: hardly a section`);
        await widths(page, name);
        await contrast(page, name);
        await names(page, name);
        await play(page, name);
        await hover(page, name);
        await widths(page, name);
        await page.eval("window.scrollTo(0, 0)");
        await page.screenshot(join(screenshots, `${name}.png`));
        check(page.complaints.length === 0, `${name}: the console says ${page.complaints.join("; ")}`);
        const outside = page.requests.filter((request) => request !== url);
        check(outside.length === 0, `${name} asks for ${outside}`);
        console.log(`${name}: fine`);
      }
    }
  }
} finally {
  await page.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
