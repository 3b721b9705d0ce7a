/** The stream of a recogniser: chunks of sound in, posteriors and words out. */

import { Gate, NoGate } from "./gate.js";
import { LogitStream, softmax } from "./logits.js";
import { joined } from "./numbers.js";
import { Resampler } from "./resampler.js";
import { WordSpotter } from "./spotter.js";

const BLOCK_SECONDS = 0.1;

/** Posteriors of sound that arrives in chunks: {values, start, stop, closes}, see Python's. */
export class PosteriorStream {
  /**
   * @param {object} runtime the module onnxruntime-web.
   * @param {object} session a session of the recogniser's file.
   * @param {object} recogniser its description, recogniser.json.
   * @param {number} sampleRate sample rate of the chunks, in Hz.
   * @param {boolean} isGated whether silence is skipped.
   */
  constructor(runtime, session, recogniser, sampleRate, isGated) {
    const rate = recogniser.sample_rate;
    this.resampler = sampleRate === rate ? null : new Resampler(sampleRate, rate);
    this.gate = isGated ? new Gate(recogniser.gating, rate) : new NoGate();
    this.logits = new LogitStream(runtime, session, recogniser.stream);
    this.temperature = recogniser.temperature;
    this.nOutputs = recogniser.tokens.length;
    this.block = BLOCK_SECONDS * rate;
    this.waiting = [];
    this.nWaiting = 0;
    this.fresh = [];
    this.start = 0;
    this.stop = 0;
  }

  /** Take the next chunk and return the posteriors now known. */
  async push(chunk) {
    this.take(this.resampler ? this.resampler.push(chunk) : chunk);
    return this.nWaiting >= this.block ? this.work() : [];
  }

  /** End the stream and return the remaining posteriors. */
  async finish() {
    if (this.resampler) this.take(this.resampler.finish());
    return [...(await this.work()), ...(await this.hear(this.gate.finish()))];
  }

  take(samples) {
    this.waiting.push(samples);
    this.fresh.push(samples);
    this.nWaiting += samples.length;
  }

  /** Return the samples since the last call, at the recogniser's rate. */
  taken() {
    const samples = joined(this.fresh);
    this.fresh = [];
    return samples;
  }

  async work() {
    const block = joined(this.waiting);
    this.waiting = [];
    this.nWaiting = 0;
    return this.hear(this.gate.push(block));
  }

  async hear(stretches) {
    const pieces = [];
    for (const { start, samples, opens, closes } of stretches) {
      if (opens) this.start = this.stop = start;
      this.stop += samples.length;
      const logits = [await this.logits.push(samples)];
      if (closes) logits.push(await this.logits.flush());
      const values = softmax(joined(logits), this.nOutputs, this.temperature);
      if (values.length || closes) {
        pieces.push({ values, start: this.start, stop: this.stop, closes });
      }
    }
    return pieces;
  }
}

/** Return a detector of words with these thresholds, one for each word. */
export function spotterOf(recogniser, thresholds) {
  const { spotting, tokens, step_length: step, sample_rate: rate } = recogniser;
  const words = new WordSpotter(spotting, tokens, step, rate);
  if (thresholds) words.spotter.setThresholds(thresholds);
  return words;
}
