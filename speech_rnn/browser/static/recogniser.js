/** The recogniser as the page sees it: a thread that takes sound and reports words. */

import { bytesOf, bytesWithin, scriptAddress } from "./resources.js";

const RUNTIME = "runtime/ort-wasm-simd-threaded.wasm";

export class Recogniser {
  /** @param {Worker} worker the thread, which starts while the files are loaded. */
  constructor(worker) {
    this.worker = worker;
    this.id = 0;
    this.onDetected = () => {};
    this.onAgain = () => {};
    this.onFailed = () => {};
    /** Resolves when the thread can compute; sound that was pushed before waits for it. */
    this.loaded = new Promise((resolve, reject) => {
      this.onLoaded = resolve;
      this.onLost = (reason) => reject(new Error(reason));
    });
    this.loaded.then(() => (this.onLost = (reason) => this.onFailed(reason)), () => {});
    worker.onmessage = ({ data }) => this.take(data);
    worker.onerror = (event) => this.onLost(event.message ?? "the thread does not start");
  }

  /** Return it with its `description`, recogniser.json, as soon as this is there. */
  static async load() {
    const found = new Recogniser(new Worker(scriptAddress("worker.js"), { type: "module" }));
    const files = Promise.all([bytesOf("recogniser.onnx"), bytesWithin(RUNTIME)]);
    files.catch((error) => found.onLost(error.message));
    try {
      const text = await bytesOf("recogniser.json");
      found.description = JSON.parse(new TextDecoder().decode(text));
    } catch (error) {
      found.worker.terminate();
      throw error;
    }
    files.then(([model, runtime]) => {
      const message = { kind: "load", recogniser: found.description, model, runtime };
      found.worker.postMessage(message, runtime ? [model, runtime] : [model]);
    }, () => {});
    return found;
  }

  take(message) {
    if (message.kind === "ready") this.onLoaded();
    else if (message.kind === "failed") this.onLost(message.reason);
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
