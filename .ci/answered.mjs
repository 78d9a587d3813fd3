// Whether the engine of an open page answers with the bits that are recorded in ram/page/tests.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** `evaluate` runs an expression in the page. Questions about networks are left out: the page has other ones. */
export async function answers(evaluate) {
  const read = (name) => readFileSync(join(import.meta.dirname, "../ram/page/tests", name), "utf8").trim().split("\n");
  const recorded = read("answers.txt");
  let number = 0;
  let asked = 0;
  for (const { ask, bytes, times = 1 } of read("questions.jsonl").map(JSON.parse)) {
    number += times;
    if (bytes !== undefined || ask.network !== undefined || ask.ask === "dance") continue;
    const answer = await evaluate(`(() => { try { engine.ask(${JSON.stringify(ask)}); } catch {} return engine.line; })()`);
    const hash = createHash("sha256").update(answer).digest("hex");
    if (recorded[number - 1] !== `${hash} ${ask.ask}`) throw new Error(`${ask.ask}: the browser's answer is another one: ${answer.slice(0, 200)}`);
    asked += 1;
  }
  return asked;
}
