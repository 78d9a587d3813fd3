// Plays with the page in a headless Chromium: node .ci/page.mjs SCREENSHOTS PAGE.html
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { answers } from "./answered.mjs";
import { Page, check, contrast, names, widths } from "./chromium.mjs";

const [screenshots, file] = process.argv.slice(2);
const url = pathToFileURL(resolve(file)).href;
const page = await Page.open(mkdtempSync(join(tmpdir(), "ram-page-")));
const text = (selector) => page.eval(`document.querySelector(${JSON.stringify(selector)}).textContent`);
const value = (selector) => page.eval(`document.querySelector(${JSON.stringify(selector)}).value`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until an expression holds. */
async function until(expression, what, seconds = 60) {
  const end = Date.now() + 1000 * seconds;
  while (!(await page.eval(expression))) {
    check(Date.now() < end, `${what} takes longer than ${seconds} s`);
    await sleep(50);
  }
}

/** Sets a slider or a choice as a user does. */
async function set(selector, to) {
  await page.eval(`(() => {
    const input = document.querySelector(${JSON.stringify(selector)});
    input.value = ${JSON.stringify(String(to))};
    for (const type of ["input", "change"]) input.dispatchEvent(new Event(type, { bubbles: true }));
  })()`);
  await page.frame();
}

/** A point of an SVG in the pixels of the window. */
const onScreen = (selector, x, y) => page.eval(`(() => {
  const picture = document.querySelector(${JSON.stringify(selector)});
  picture.scrollIntoView({ block: "center" });
  const { x, y } = new DOMPoint(${x}, ${y}).matrixTransform(picture.getScreenCTM());
  return [x, y];
})()`);

const mouse = (type, [x, y], buttons = 1) => page.ask("Input.dispatchMouseEvent", { type, x, y, button: "left", buttons, clickCount: 1 });

/** Drags from one point of the window to another, with the mouse or a finger. */
async function drag(from, to, finger) {
  const touch = (type, points) => page.ask("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
  const between = [0.3, 0.7, 1].map((share) => [0, 1].map((i) => from[i] + share * (to[i] - from[i])));
  await (finger ? touch("touchStart", [from]) : mouse("mousePressed", from));
  for (const point of between) {
    await (finger ? touch("touchMove", [point]) : mouse("mouseMoved", point));
    await page.frame();
  }
  await (finger ? touch("touchEnd", []) : mouse("mouseReleased", to, 0));
  await page.frame();
}

/** What a part of the page shows. */
const picture = (selector) => page.eval(`document.querySelector(${JSON.stringify(selector)}).innerHTML`);

/** Does something and fails if that changed nothing of what is shown. */
async function changes(selector, action, what) {
  const before = await picture(selector);
  await action();
  await page.frame();
  check((await picture(selector)) !== before, `${what} changes nothing`);
}

/** Nothing moves before one asks for it. */
async function still(part) {
  const before = await picture("main");
  await sleep(400);
  check((await picture("main")) === before, `${part} moves by itself`);
}

async function look(finger) {
  const screen = "#look svg.touch";
  const box = () => page.eval(`(({ x, y, width }) => [x.baseVal.value, y.baseVal.value, width.baseVal.value])(document.querySelector("${screen} .piece"))`);
  await still("the part with images");
  check((await text("#look-status")).includes("right"), `the first image: ${await text("#look-status")}`);
  check((await page.eval(`document.querySelectorAll("${screen} .window").length`)) === 3, "there are not three windows");

  // Drag the digit to the opposite corner, with no clutter over it, and back with the keys.
  await page.click("#look-clear");
  const [x, y, side] = await box();
  const [to, middle] = [[x < 16 ? 30 : 2, y < 16 ? 30 : 2], side / 2];
  const [from, end] = [await onScreen(screen, x + middle, y + middle), await onScreen(screen, to[0] + middle, to[1] + middle)];
  await drag(from, end, finger);
  const [dragged] = [await box()];
  check(Math.abs(dragged[0] - to[0]) <= 2 && Math.abs(dragged[1] - to[1]) <= 2, `the digit was dragged to ${dragged} and not to ${to}`);
  await page.eval(`document.querySelector("${screen}").focus()`);
  const key = dragged[0] > 20 ? ["ArrowLeft", -1] : ["ArrowRight", 1];
  await page.key(key[0]);
  check((await box())[0] === dragged[0] + key[1], `${key[0]} moves the digit from ${dragged} to ${await box()}`);

  // Every control.
  const status = "#look-status";
  await changes(status, () => page.click("#look-before"), "the glimpse before");
  await changes(status, () => page.click("#look-after"), "the next glimpse");
  await changes(status, () => set("#look-step", 3), "the slider of glimpses");
  check((await text(status)).startsWith("Glimpse 3 of 8"), await text(status));
  check((await page.eval(`document.querySelectorAll("${screen} .mean").length`)) === 3, "the policy's mean and deviations are not drawn");
  await page.click("#look-play");
  await until(`document.querySelector("${status}").textContent.startsWith("Glimpse 8 of 8")`, "to play eight glimpses", 20);
  await until("document.querySelector('#look-play').textContent.includes('play')", "the end of playing", 5);
  await changes(screen, () => page.click("#look-next"), "another digit");
  await changes(screen, () => page.click("#look-first"), "another first glimpse");
  const pieces = () => page.eval("document.querySelectorAll('#look-piece option').length");
  check((await pieces()) === 5, `${await pieces()} pieces, not a digit and four of clutter`);
  await changes(screen, () => page.click("#look-clutter"), "more clutter");
  check((await pieces()) === 6, "no piece was added");
  await changes(screen, () => set("#look-piece", 2), "the choice of a piece");
  await changes(screen, () => page.click("#look-clear"), "no clutter");
  check((await pieces()) === 1, "clutter is left");
  await set("#look-most", 12);
  check((await text(status)).startsWith("Glimpse 12 of 12"), `twelve glimpses: ${await text(status)}`);
  await set("#look-sure", 3);
  const stopped = await text(status);
  check(stopped.includes("it stops") && !stopped.includes("of 12"), `a threshold stops nothing: ${stopped}`);
  await set("#look-sure", 60);
  await set("#look-most", 8);

  // A written 1, which every network knows.
  await page.click("#look-draw");
  const pad = await page.eval("(() => { const c = document.querySelector('#look-pad'); c.scrollIntoView({ block: 'center' }); const { left, top, width } = c.getBoundingClientRect(); return [left, top, width]; })()");
  const at = (u, v) => [pad[0] + u * pad[2], pad[1] + v * pad[2]];
  await changes(screen, () => drag(at(0.5, 0.15), at(0.5, 0.85), finger), "a written digit");
  check((await text(status)).includes("answer: digit 1, "), `a written 1: ${await text(status)}`);
  await page.click("#look-wipe");
  await page.click("#look-draw");
}

async function contest(finger) {
  await page.click("#look-contest");
  await still("the contest");
  check((await text("#contest-status")).startsWith("7 glimpses left"), await text("#contest-status"));
  for (const place of [[20, 20], [40, 40], [30, 10]]) {
    const point = await onScreen("#contest-screen", ...place);
    await changes("#contest-screen", () => drag(point, point, finger), "a look at a place");
  }
  await page.eval("document.querySelector('#contest-screen').focus()");
  await changes("#contest-screen", () => page.key("ArrowLeft"), "the cross");
  await changes("#contest-screen", () => page.key("Enter"), "Enter");
  check((await text("#contest-status")).startsWith("3 glimpses left"), `after four looks: ${await text("#contest-status")}`);
  await page.click("#look .keys button:nth-child(4)");
  check(/^It is an? \d\. You are (right|wrong), the network is (right|wrong)\.$/.test(await text("#contest-status")), await text("#contest-status"));
  check((await page.eval("document.querySelectorAll('#contest-result tbody tr').length")) === 3, "the result has not three rows");
  await page.click("#contest-next");
  await page.click("#look-contest");
}

async function catchBall() {
  await page.click("#tab-catch");
  await still("the game");
  const score = () => text("#catch-score");
  await changes("#catch-screen", () => page.click("#catch-step"), "a frame");
  await set("#catch-speed", 20);
  await page.eval("window.slow = []; window.counted = 0; (function count(before) { requestAnimationFrame((now) => { slow.push(now - before); counted += 1; if (counted < 2000) count(now); }); })(performance.now())");
  await page.click("#catch-start");
  await until("document.querySelector('#catch-score').textContent.startsWith('The network caught')", "a game");
  await page.click("#catch-start");
  check((await text("#catch-start")).includes("start"), "the game does not pause");
  // The time of a frame with its glimpse, its move and its drawing: 60 a second leave 16.7 ms.
  const cost = await page.eval(`(() => {
    const times = [];
    for (let i = 0; i < 24; i++) { const begun = performance.now(); document.querySelector("#catch-step").click(); times.push(performance.now() - begun); }
    return times.sort((a, b) => a - b)[12];
  })()`);
  check(cost < 16.7, `a frame of the game takes ${cost.toFixed(1)} ms`);
  await page.click("#catch-new");
  await page.click("#catch-cover");
  await page.click("#catch-step");
  check((await picture("#catch-screen")).includes('fill="none" stroke="#fff"'), "a covered ball is not drawn hollow");
  await page.click("#catch-cover");
  await page.click("#catch-mine");
  const paddle = () => page.eval("Math.min(...[...document.querySelectorAll('#catch-screen rect[fill=\"#fff\"]')].filter((r) => r.y.baseVal.value === 23).map((r) => r.x.baseVal.value))");
  const place = await paddle();
  const [key, by, move] = place > 4 ? ["ArrowLeft", -1, 0] : ["ArrowRight", 1, 2];
  await page.eval("document.querySelector('#catch-step').focus()");
  await page.key(key);
  check((await paddle()) === place + by, `${key} moves the paddle from ${place} to ${await paddle()}`);
  await page.click(`#catch-move-${move}`);
  check((await paddle()) === place + 2 * by, "the button does not move the paddle");
  for (let i = 0; i < 30 && !(await score()).includes("You"); i++) await page.click("#catch-move-1");
  check((await score()).includes("You caught"), `no game of mine was counted: ${await score()}`);
  await page.click("#catch-mine");
}

async function learn(shoot) {
  await page.click("#tab-learn");
  await still("the lesson");
  const updates = async () => Number(/^(\d+) update/.exec(await text("#learn-status"))?.[1] ?? -1);
  const noise = () => page.eval("document.querySelector('#learn .charts figure:nth-child(4) svg').getAttribute('aria-label')");
  const terms = () => page.eval("document.querySelector('#learn .charts figure:nth-child(2) svg').getAttribute('aria-label')");
  await page.click("#learn-one");
  await until("document.querySelector('#learn-status').textContent.startsWith('1 update')", "one update");
  const classAt = async () => Number(/class (\S+?),/.exec(await terms())[1]);
  const first = await classAt();
  check((await page.eval("document.querySelectorAll('#learn-shown figure').length")) === 8, "no images are shown");
  await page.click("#learn-start");
  await until("Number(/^(\\d+) update/.exec(document.querySelector('#learn-status').textContent)?.[1]) >= 160", "160 updates", 150);
  await page.click("#learn-start");
  await sleep(1500);
  const now = await updates();
  await sleep(500);
  check((await updates()) === now, "it goes on while it pauses");
  check((await classAt()) < 0.95 * first, `the loss of the class was ${first} and is ${await classAt()}`);
  await set("#learn-rate", -27);
  await set("#learn-std", 20);
  const deviation = async () => Number(/noise (\S+)$/.exec(await noise())[1]);
  await page.click("#learn-one");
  await until(`Number(/^(\\d+) update/.exec(document.querySelector('#learn-status').textContent)[1]) === ${now + 1}`, "an update by hand");
  const before = await deviation();
  await set("#learn-baseline", "none");
  await page.click("#learn-one");
  await until(`Number(/^(\\d+) update/.exec(document.querySelector('#learn-status').textContent)[1]) === ${now + 2}`, "an update without a baseline");
  check((await deviation()) > before, `without a baseline the noise is ${await deviation()}, with it ${before}`);
  check((await terms()).includes("baseline 0"), `the baseline's term is there: ${await terms()}`);
  await shoot("learn");
  await page.click("#learn-again");
  await until("document.querySelector('#learn-status').textContent.startsWith('A new network')", "a new network");
}

mkdirSync(screenshots, { recursive: true });
try {
  for (const [width, height, dark, phone] of [[1400, 900, false, false], [800, 1000, true, false], [400, 800, true, true]]) {
    const name = `page-${width}`;
    Object.assign(page, { complaints: [], requests: [] });
    if (phone) await page.ask("Emulation.setTouchEmulationEnabled", { enabled: true });
    await page.go(url, { width, height, dark, phone });
    await until("document.body.dataset.ready === 'true' || !document.querySelector('#trouble').hidden", "to open the page");
    check(await page.eval("document.querySelector('#trouble').hidden"), await text("#trouble"));
    const shoot = async (part) => {
      await widths(page, `${name} ${part}`);
      await contrast(page, `${name} ${part}`);
      await names(page, `${name} ${part}`);
      await page.eval("window.scrollTo(0, 0)");
      await page.screenshot(join(screenshots, `${name}-${part}.png`));
    };
    await look(phone);
    await shoot("look");
    await contest(phone);
    await catchBall();
    await shoot("catch");
    // The lesson takes half a minute, so it is given once.
    if (width === 1400) {
      await answers((script) => page.eval(script));
      await learn(shoot);
    } else {
      await page.click("#tab-learn");
      await shoot("learn");
    }
    await page.eval("document.querySelector('#tab-learn').focus()");
    await page.key("ArrowRight");
    check(await page.eval("document.activeElement.id === 'tab-look' && !document.querySelector('#look').hidden"), "the arrow keys do not turn the tabs");
    check(page.complaints.length === 0, `${name}: the console says ${page.complaints.join("; ")}`);
    const outside = page.requests.filter((request) => request !== url && !request.startsWith("blob:"));
    check(outside.length === 0, `${name} asks for ${outside}`);
    console.log(`${name}: fine`);
  }
} finally {
  await page.close();
}
