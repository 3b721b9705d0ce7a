/**
 * A gate that passes sound above the noise floor: speech_rnn/streaming/gate.py, which explains it.
 * Both pass the same samples.
 */

import { joined, round } from "./numbers.js";

const FRAME_SECONDS = 0.01;
const RISE = 3;
const LEVEL = 10;
const PARTS = 8;

/** Decides whether an energy is above the noise floor. */
class Floor {
  constructor(gating, part) {
    this.ratio = 10 ** (gating.margin_db / 10);
    this.least = 10 ** (gating.least_db / 10);
    this.part = part;
    this.recent = []; // the last LEVEL energies
    this.lowest = []; // minimum of each finished part
    this.before = Infinity;
    this.now = Infinity;
    this.nFrames = 0;
  }

  rises(energy) {
    this.recent.push(energy);
    if (this.recent.length > LEVEL) this.recent.shift();
    this.nFrames += 1;
    const sum = (values) => values.reduce((total, value) => total + value, 0);
    if (this.nFrames >= LEVEL) this.now = Math.min(this.now, sum(this.recent) / LEVEL);
    if (this.nFrames % this.part === 0) {
      this.lowest.push(this.now);
      if (this.lowest.length > PARTS - 1) this.lowest.shift();
      this.before = Math.min(...this.lowest);
      this.now = Infinity;
    }
    const floor = this.lowest.length ? Math.min(this.before, this.now) : 0;
    return sum(this.recent.slice(-RISE)) / RISE > Math.max(floor * this.ratio, this.least);
  }
}

/** Passes stretches, {start, samples, opens, closes}, independently of how the stream is cut. */
export class Gate {
  /**
   * @param {object} gating the fields of Python's `Gating`.
   * @param {number} sampleRate in Hz.
   */
  constructor(gating, sampleRate) {
    this.gating = gating;
    this.size = Math.max(1, round(FRAME_SECONDS * sampleRate));
    const frames = (seconds) => round((seconds * sampleRate) / this.size);
    this.hangover = frames(gating.hangover_seconds);
    this.preroll = frames(gating.preroll_seconds);
    this.part = Math.max(LEVEL, round((gating.floor_seconds * sampleRate) / this.size / PARTS));
    this.begin();
  }

  begin() {
    this.kept = new Float32Array(1); // a zero before the first, for the first difference
    this.first = -1; // position of the first kept sample
    this.frame = 0; // the first frame that is not yet measured
    this.left = 0; // frames for which the gate stays open
    this.floors = [new Floor(this.gating, this.part), new Floor(this.gating, this.part)];
  }

  push(samples) {
    this.kept = joined([this.kept, samples]);
    const nFrames = Math.floor((this.first + this.kept.length) / this.size) - this.frame;
    if (nFrames <= 0) return [];
    const found = [];
    let begin = this.frame;
    let opens = false;
    const end = this.frame + nFrames;
    for (let frame = this.frame; frame < end; frame++) {
      // Both floors take each frame.
      const rises = this.energies(frame).map((energy, index) => this.floors[index].rises(energy));
      if (rises.some(Boolean)) {
        if (!this.left) [begin, opens] = [frame, true];
        this.left = this.hangover + 1;
      } else if (this.left) {
        this.left -= 1;
        if (!this.left) {
          found.push(this.stretch(begin, frame, opens, true));
          opens = false;
        }
      }
    }
    this.frame = end;
    if (this.left) found.push(this.stretch(begin, end, opens, false));
    const unneeded = (this.frame - this.preroll) * this.size - 1 - this.first;
    if (unneeded > 0) {
      this.kept = this.kept.slice(unneeded);
      this.first += unneeded;
    }
    return found;
  }

  /** End the stream and return the rest of an open stretch. The next push begins another. */
  finish() {
    const start = this.frame * this.size;
    const samples = this.kept.slice(start - this.first);
    const found = this.left ? [{ start, samples, opens: false, closes: true }] : [];
    this.begin();
    return found;
  }

  /** Return the mean energies of a frame: without its mean, and differenced. */
  energies(frame) {
    const { kept, size } = this;
    const begin = frame * size - this.first;
    let sum = 0;
    let squares = 0;
    let steps = 0;
    for (let place = begin; place < begin + size; place++) {
      const difference = kept[place] - kept[place - 1];
      sum += kept[place];
      squares += kept[place] * kept[place];
      steps += difference * difference;
    }
    return [squares / size - (sum / size) ** 2, steps / size];
  }

  stretch(begin, stop, opens, closes) {
    const start = Math.max(0, opens ? begin - this.preroll : begin) * this.size;
    const samples = this.kept.slice(start - this.first, stop * this.size - this.first);
    return { start, samples, opens, closes };
  }
}

/** Passes everything as one stretch. */
export class NoGate {
  constructor() {
    this.nSamples = 0;
  }

  push(samples) {
    if (!samples.length) return [];
    const start = this.nSamples;
    this.nSamples += samples.length;
    return [{ start, samples, opens: start === 0, closes: false }];
  }

  finish() {
    const start = this.nSamples;
    this.nSamples = 0;
    return start ? [{ start, samples: new Float32Array(0), opens: false, closes: true }] : [];
  }
}
