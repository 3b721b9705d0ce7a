/** The last minutes of a stream as the pictures need them, in columns of 10 ms. */

import { joined } from "./numbers.js";
import { Spectrum } from "./spectrum.js";

export const COLUMNS_PER_SECOND = 100;
export const N_BANDS = 64;
const MOST_COLUMNS = 600 * COLUMNS_PER_SECOND;

export class History {
  /**
   * @param {object} recogniser recogniser.json.
   * @param {number[]} columns the columns of the posteriors that are words.
   */
  constructor(recogniser, columns) {
    this.rate = recogniser.sample_rate;
    this.nOutputs = recogniser.tokens.length;
    this.stepLength = recogniser.step_length;
    this.wordColumns = columns;
    this.spectrum = new Spectrum(this.rate, N_BANDS);
    this.low = new Float32Array(MOST_COLUMNS);
    this.high = new Float32Array(MOST_COLUMNS);
    this.levels = new Uint8Array(MOST_COLUMNS * N_BANDS);
    this.scores = new Uint8Array(MOST_COLUMNS * columns.length);
    this.clear();
  }

  clear() {
    this.nColumns = 0; // columns of sound so far
    this.nSteps = 0; // steps of the posteriors' stretch so far
    this.nScored = 0; // columns of scores so far
    this.words = [];
    this.kept = new Float32Array(this.spectrum.size);
    this.nKept = 0; // samples at the end of `kept` that are not yet in a column
  }

  /** Seconds of sound so far. */
  get seconds() {
    return this.nColumns / COLUMNS_PER_SECOND;
  }

  /** Seconds before which everything is forgotten. */
  get begin() {
    return Math.max(0, this.nColumns - MOST_COLUMNS) / COLUMNS_PER_SECOND;
  }

  /** Where the column of a ring is. */
  place(column) {
    return column % MOST_COLUMNS;
  }

  addSamples(samples) {
    const all = joined([this.kept, samples]);
    let done = this.kept.length - this.nKept;
    const end = (column) => Math.round(((column + 1) * this.rate) / COLUMNS_PER_SECOND);
    const size = (column) => end(column) - end(column - 1);
    while (done + size(this.nColumns) <= all.length) {
      const next = done + size(this.nColumns);
      this.addColumn(all.subarray(done, next), all.subarray(Math.max(0, next - this.spectrum.size), next));
      done = next;
    }
    this.nKept = all.length - done;
    this.kept = all.slice(Math.max(0, done - this.spectrum.size));
  }

  addColumn(samples, window) {
    const place = this.place(this.nColumns);
    let [low, high] = [Infinity, -Infinity];
    for (const sample of samples) {
      low = Math.min(low, sample);
      high = Math.max(high, sample);
    }
    this.low[place] = low;
    this.high[place] = high;
    this.spectrum.measure(window, this.levels.subarray(place * N_BANDS, (place + 1) * N_BANDS));
    this.nColumns += 1;
  }

  /** Take pieces of posteriors, {values, start, closes}. */
  addPosteriors(pieces) {
    for (const { values, start, closes } of pieces) {
      const column = (step) =>
        Math.round(((start + step * this.stepLength) * COLUMNS_PER_SECOND) / this.rate);
      for (let row = 0; row < values.length; row += this.nOutputs, this.nSteps++) {
        const begin = column(this.nSteps);
        // Columns between two stretches have no score.
        while (this.nScored < begin) this.scoreColumn(this.nScored++, null, 0);
        for (let at = begin; at < column(this.nSteps + 1); at++) this.scoreColumn(at, values, row);
        this.nScored = Math.max(this.nScored, column(this.nSteps + 1));
      }
      if (closes) this.nSteps = 0;
    }
  }

  scoreColumn(column, values, row) {
    const begin = this.place(column) * this.wordColumns.length;
    this.wordColumns.forEach((output, word) => {
      this.scores[begin + word] = values ? 255 * values[row + output] : 0;
    });
  }
}
