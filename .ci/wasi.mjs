// Runs a wasm32-wasip1 module in Node, as cargo's runner: node wasi.mjs MODULE ARGUMENT...
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [, , path, ...args] = process.argv;
const wasi = new WASI({ version: "preview1", args: [path, ...args], env: process.env, preopens: { "/": "/" } });
const module = await WebAssembly.compile(await readFile(path));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
