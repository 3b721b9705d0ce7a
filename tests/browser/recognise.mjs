// Recognise raw float32 samples: node recognise.mjs RUNTIME < cases.json > answers.json

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { PosteriorStream, spotterOf } from "../../speech_rnn/browser/static/stream.js";

const folder = process.argv[2];
const runtime = await import(pathToFileURL(`${folder}/ort.wasm.bundle.min.mjs`));
runtime.env.wasm.numThreads = 1;
runtime.env.wasm.wasmBinary = readFileSync(`${folder}/ort-wasm-simd-threaded.wasm`);
const sessions = {};

async function recognised({ model, recogniser, file, rate, isGated, size }) {
  sessions[model] ??= await runtime.InferenceSession.create(readFileSync(model));
  const bytes = readFileSync(file);
  const sound = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const stream = new PosteriorStream(runtime, sessions[model], recogniser, rate, isGated);
  const spotter = spotterOf(recogniser);
  const pieces = [];
  for (let start = 0; start < sound.length; start += size) {
    pieces.push(...(await stream.push(sound.subarray(start, start + size))));
  }
  pieces.push(...(await stream.finish()));
  return { words: spotter.hear(pieces), posteriors: pieces.flatMap(({ values }) => [...values]) };
}

const answers = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) answers.push(await recognised(one));
console.log(JSON.stringify(answers));
