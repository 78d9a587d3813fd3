// Opens the page in a headless Firefox and has each part work: node .ci/firefox.mjs SCREENSHOTS PAGE.html
// Speaks Marionette, Firefox's own protocol: a JSON list behind its length.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { answers } from "./answered.mjs";

const [screenshots, file] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "ram-firefox-"));
const port = 20000 + (process.pid % 20000);
writeFileSync(join(profile, "user.js"), `user_pref("marionette.port", ${port});\n`);
const browser = spawn("firefox-esr", ["--headless", "--no-remote", "--marionette", "--profile", profile], { stdio: "ignore" });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function connected() {
  for (let tries = 0; tries < 300; tries++) {
    const socket = await new Promise((done) => {
      const made = connect(port, "127.0.0.1", () => done(made));
      made.on("error", () => done(null));
    });
    if (socket) return socket;
    await sleep(200);
  }
  throw new Error("Firefox does not listen");
}

const socket = await connected();
const waiting = new Map();
let heard = Buffer.alloc(0);
socket.on("data", (more) => {
  heard = Buffer.concat([heard, more]);
  for (;;) {
    const colon = heard.indexOf(":");
    const length = Number(heard.subarray(0, colon));
    if (colon < 0 || heard.length < colon + 1 + length) return;
    const message = JSON.parse(heard.subarray(colon + 1, colon + 1 + length));
    heard = heard.subarray(colon + 1 + length);
    // The first message is Firefox's greeting.
    if (!Array.isArray(message)) continue;
    const [, id, error, result] = message;
    const { found, failed } = waiting.get(id);
    if (error) failed(new Error(`${error.error}: ${error.message}`));
    else found(result);
  }
});
let last = 0;
function ask(command, parameters = {}) {
  last += 1;
  const text = JSON.stringify([0, last, command, parameters]);
  const answer = new Promise((found, failed) => waiting.set(last, { found, failed }));
  socket.write(`${Buffer.byteLength(text)}:${text}`);
  return answer;
}
const evaluate = async (expression) => (await ask("WebDriver:ExecuteScript", { script: `return (${expression});`, args: [], sandbox: null })).value;

async function until(expression, what) {
  for (let tries = 0; !(await evaluate(expression)); tries++) {
    if (tries > 600) throw new Error(`${what} takes too long: ${await evaluate("document.querySelector('main').innerText.slice(0, 800)")}`);
    await sleep(100);
  }
}

try {
  mkdirSync(screenshots, { recursive: true });
  await ask("WebDriver:NewSession");
  await ask("WebDriver:SetWindowRect", { width: 1200, height: 1400 });
  await ask("WebDriver:Navigate", { url: pathToFileURL(resolve(file)).href });
  await until("document.body.dataset.ready === 'true' || !document.querySelector('#trouble').hidden", "to open the page");
  const asked = await answers(evaluate);
  const shoot = async (part) => {
    const { value } = await ask("WebDriver:TakeScreenshot", { full: true });
    writeFileSync(join(screenshots, `firefox-${part}.png`), Buffer.from(value, "base64"));
  };
  if (!(await evaluate("document.querySelector('#look-status').textContent.includes('right')"))) throw new Error("the first image is named wrongly");
  await shoot("look");
  await evaluate("document.querySelector('#tab-catch').click()");
  for (let frame = 0; frame < 23; frame++) await evaluate("document.querySelector('#catch-step').click()");
  await until("/^The network (caught|missed) the ball/.test(document.querySelector('#catch-status').textContent)", "a game");
  await shoot("catch");
  await evaluate("document.querySelector('#tab-learn').click()");
  await evaluate("document.querySelector('#learn-start').click()");
  await until("Number(/^(\\d+) update/.exec(document.querySelector('#learn-status').textContent)?.[1]) >= 40", "forty updates");
  await evaluate("document.querySelector('#learn-start').click()");
  await shoot("learn");
  if (!(await evaluate("document.querySelector('#trouble').hidden"))) throw new Error(await evaluate("document.querySelector('#trouble').textContent"));
  console.log(`Firefox: fine, ${asked} answers with the recorded bits`);
} finally {
  socket.destroy();
  browser.kill();
}
