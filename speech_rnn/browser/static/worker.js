/**
 * The thread that recognises. It takes messages by their `kind`:
 *
 * load {recogniser, model, runtime}: the description, the ONNX file, and the WebAssembly, or null if
 *   it is a file beside the runtime, which the browser then compiles while it arrives
 * begin {id, sampleRate, isGated, thresholds}: a stream, which ends the one before
 * chunk {id, samples}, finish {id}: its sound
 * whole {id, samples}: all of its sound at once; what comes before `load` waits for it
 * thresholds {values}: one for each word; a sound that was given whole is answered again
 *
 * and answers with ready, failed, detected and again.
 */

import * as runtime from "./runtime/ort.wasm.bundle.min.mjs";
import { joined } from "./numbers.js";
import { PosteriorStream, spotterOf } from "./stream.js";

const PIECE_SECONDS = 0.1;
const TOLD_SECONDS = 1;

let session = null;
let recogniser = null;
let current = null;
let beginLoading;
let working = new Promise((resolve) => (beginLoading = resolve)).then(load);

async function load(message) {
  recogniser = message.recogniser;
  runtime.env.wasm.numThreads = 1; // more need a page that is isolated from other origins
  if (message.runtime) runtime.env.wasm.wasmBinary = message.runtime;
  session = await runtime.InferenceSession.create(new Uint8Array(message.model), {
    executionProviders: ["wasm"],
    enableMemPattern: false,
  });
  postMessage({ kind: "ready" });
}

function begin({ id, sampleRate, isGated, thresholds }) {
  const stream = new PosteriorStream(runtime, session, recogniser, sampleRate, isGated);
  const spotter = spotterOf(recogniser, thresholds);
  current = { id, sampleRate, stream, spotter, kept: null, soundSeconds: 0, computeSeconds: 0 };
}

/** Push samples, or finish without them, and report what was detected. */
async function hear(samples) {
  const mine = current;
  const start = performance.now();
  const pieces = samples ? await mine.stream.push(samples) : await mine.stream.finish();
  const words = mine.spotter.hear(pieces);
  mine.computeSeconds += (performance.now() - start) / 1000;
  mine.soundSeconds += (samples?.length ?? 0) / mine.sampleRate;
  mine.kept?.push(...pieces);
  return { pieces, words, samples: mine.stream.taken() };
}

function tell(found, isEnd) {
  const { id, soundSeconds, computeSeconds } = current;
  const pending = current.spotter.spotter.pending;
  postMessage({ kind: "detected", id, ...found, pending, isEnd, soundSeconds, computeSeconds });
}

async function hearWhole(id, samples) {
  current.kept = [];
  const size = Math.round(PIECE_SECONDS * current.sampleRate);
  const perTelling = Math.round(TOLD_SECONDS / PIECE_SECONDS);
  let found = [];
  for (let start = 0, n = 1; start < samples.length; start += size, n++) {
    found.push(await hear(samples.subarray(start, start + size)));
    if (n % perTelling) continue;
    tell(together(found), false);
    found = [];
    await new Promise((resolve) => setTimeout(resolve)); // another message may end this
    if (current.id !== id || wanted !== id) return;
  }
  tell(together([...found, await hear(null)]), true);
}

function together(found) {
  return {
    pieces: found.flatMap((one) => one.pieces),
    words: found.flatMap((one) => one.words),
    samples: joined(found.map((one) => one.samples)),
  };
}

function useThresholds(values) {
  current?.spotter.spotter.setThresholds(values);
  if (!current?.kept) return;
  const words = spotterOf(recogniser, values).hear(current.kept);
  postMessage({ kind: "again", id: current.id, words });
}

async function answer(message) {
  const { kind, id } = message;
  if (kind === "thresholds") useThresholds(message.values);
  else if (kind === "begin") begin(message);
  else if (id !== current?.id || id !== wanted) return; // of a stream that has ended
  else if (kind === "chunk") tell(await hear(message.samples), false);
  else if (kind === "finish") tell(await hear(null), true);
  else if (kind === "whole") await hearWhole(id, message.samples);
}

function fail(error) {
  postMessage({ kind: "failed", reason: String(error?.message ?? error) });
}

working.catch(fail);

let wanted = null; // the newest stream that was asked for

onmessage = ({ data }) => {
  if (data.kind === "load") return beginLoading(data);
  if (data.kind === "begin") wanted = data.id;
  working = working.then(() => answer(data).catch(fail));
  working.catch(() => {}); // of the load, and told already
};
