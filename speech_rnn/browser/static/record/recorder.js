/** The microphone while takes are recorded: it stays open from one take to the next. */

import { joined } from "../numbers.js";
import { Microphone } from "../sounds.js";

export class Recorder {
  /** @param {function} onChunk is called with each chunk of samples. */
  constructor(onChunk) {
    this.onChunk = onChunk;
    this.kept = null;
  }

  /** Open the microphone, and return the name that the browser has for it. */
  async open() {
    const microphone = new Microphone((samples) => this.hear(samples));
    this.sampleRate = await microphone.start();
    this.microphone = microphone;
    return microphone.name;
  }

  get isOpen() {
    return Boolean(this.microphone);
  }

  hear(samples) {
    this.onChunk(samples);
    if (!this.kept) return;
    this.kept.push(samples);
    this.nMissing -= samples.length;
    if (this.nMissing <= 0) this.end(joined(this.kept));
  }

  /** Record so many seconds, and return the samples, or null if it is closed before. */
  take(seconds) {
    this.kept = [];
    this.nMissing = Math.round(seconds * this.sampleRate);
    return new Promise((resolve) => (this.resolve = resolve));
  }

  end(samples) {
    this.kept = null;
    this.resolve(samples);
  }

  async close() {
    if (this.kept) this.end(null);
    const { microphone } = this;
    this.microphone = null;
    await microphone?.stop();
  }
}
