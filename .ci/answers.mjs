// Asks an engine of the page the questions of ram/page/tests and compares its answers with those recorded there: node
// .ci/answers.mjs ENGINE.wasm.gz
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import vm from "node:vm";

const root = join(import.meta.dirname, "..");
const read = (path) => readFileSync(join(root, path));

/** The engine's half of the page's own script. */
const Engine = vm.runInThisContext(`${read("ram/src/page/engine.js")}\nEngine`);
const engine = await Engine.start(await WebAssembly.compile(gunzipSync(readFileSync(process.argv[2]))));

const bytes = (of) => {
  if (of === undefined) return new Uint8Array(0);
  if (typeof of === "string") return read(`ram/zoo/${of}.safetensors`);
  const [length, seed] = of;
  return Uint8Array.from({ length }, (_, i) => ((i * i * 31 + i * seed) >> 3) & 255);
};

const found = [];
for (const line of read("ram/page/tests/questions.jsonl").toString().trim().split("\n").map(JSON.parse)) {
  for (let i = 0; i < (line.times ?? 1); i++) {
    try {
      engine.ask(line.ask, bytes(line.bytes));
    } catch {
      // The answer is a complaint, which is recorded too.
    }
    found.push(`${createHash("sha256").update(engine.line).digest("hex")} ${line.ask.ask}`);
  }
}
const recorded = read("ram/page/tests/answers.txt").toString().trim().split("\n");
const other = found.findIndex((line, i) => line !== recorded[i]);
if (found.length !== recorded.length || other >= 0) {
  console.error(`${found.length} answers, ${recorded.length} recorded; the first that differs is number ${other + 1}, ${found[other]}: ${engine.line.slice(0, 200)}`);
  process.exit(1);
}
console.log(`${found.length} answers have the bits of this processor's`);
