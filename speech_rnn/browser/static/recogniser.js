/** The recogniser as the page sees it: a thread that takes sound and reports words. */

import { bytesOf, scriptAddress } from "./resources.js";

const RUNTIME = "runtime/ort-wasm-simd-threaded.wasm";

export class Recogniser {
  /**
   * @param {object} description recogniser.json.
   * @param {Worker} worker the thread, with the file loaded.
   */
  constructor(description, worker) {
    this.description = description;
    this.worker = worker;
    this.id = 0;
    this.onDetected = () => {};
    this.onAgain = () => {};
    this.onFailed = () => {};
    worker.onmessage = ({ data }) => this.take(data);
    worker.onerror = (event) => this.onFailed(event.message);
  }

  /** Load everything that it needs. */
  static async load() {
    const [text, model, runtime] = await Promise.all([
      bytesOf("recogniser.json"),
      bytesOf("recogniser.onnx"),
      bytesOf(RUNTIME),
    ]);
    const recogniser = JSON.parse(new TextDecoder().decode(text));
    const worker = new Worker(scriptAddress("worker.js"), { type: "module" });
    await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) =>
        data.kind === "ready" ? resolve() : reject(new Error(data.reason));
      worker.onerror = (event) => reject(new Error(event.message ?? "the thread does not start"));
      worker.postMessage({ kind: "load", recogniser, model, runtime }, [model, runtime]);
    });
    return new Recogniser(recogniser, worker);
  }

  take(message) {
    if (message.kind === "failed") this.onFailed(message.reason);
    else if (message.id !== this.id) return; // of a stream that has ended
    else if (message.kind === "detected") this.onDetected(message);
    else if (message.kind === "again") this.onAgain(message);
  }

  /** Begin a stream, which ends the one before. */
  begin(sampleRate, { isGated, thresholds }) {
    this.id += 1;
    this.sampleRate = sampleRate;
    this.pushedSeconds = 0;
    this.worker.postMessage({ kind: "begin", id: this.id, sampleRate, isGated, thresholds });
  }

  push(samples) {
    this.pushedSeconds += samples.length / this.sampleRate;
    this.worker.postMessage({ kind: "chunk", id: this.id, samples }, [samples.buffer]);
  }

  finish() {
    this.worker.postMessage({ kind: "finish", id: this.id });
  }

  /** Give all of the sound at once. */
  whole(samples) {
    this.worker.postMessage({ kind: "whole", id: this.id, samples }, [samples.buffer]);
  }

  useThresholds(values) {
    this.worker.postMessage({ kind: "thresholds", values });
  }
}
