"use strict";

/** Bytes from base 64 of gzip. Of numbers of `planes` bytes, all first bytes were packed first, then all second ones, and so on. */
async function unpacked(text, planes = 1) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (planes === 1) return bytes;
  const whole = new Uint8Array(bytes.length);
  let at = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let i = plane; i < bytes.length; i += planes) whole[i] = bytes[at++];
  }
  return whole;
}

/** The module that computes. A question is an object, sometimes with bytes; the answer is an object. */
class Engine {
  static async start(module) {
    const { exports } = await WebAssembly.instantiate(module, {});
    return Object.assign(new Engine(), { exports });
  }

  /** Throws what the engine complains of. */
  ask(question, bytes = new Uint8Array(0)) {
    const { room, ask, answered, memory } = this.exports;
    const line = new TextEncoder().encode(JSON.stringify(question));
    const at = room(line.length + bytes.length);
    const inside = new Uint8Array(memory.buffer, at);
    inside.set(line);
    inside.set(bytes, line.length);
    const from = ask(line.length);
    this.line = new TextDecoder().decode(new Uint8Array(memory.buffer, from, answered()));
    const answer = JSON.parse(this.line);
    if (answer.error !== undefined && typeof answer.error === "string") throw new Error(answer.error);
    return answer;
  }
}
