/**
 * Run the graph of a streaming file, as speech_rnn/engines/onnx_format.py describes it: whole
 * blocks of samples in, steps of logits out, states from run to run.
 */

import { joined } from "./numbers.js";

const UNKNOWN_END = 2n ** 60n;
const ARRAYS = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array };

/** Logits of a waveform that arrives in pieces. */
export class LogitStream {
  /**
   * @param {object} runtime the module onnxruntime-web.
   * @param {object} session a session of the file.
   * @param {object} stream the description of its stream, `onnx.stream` of its metadata.
   */
  constructor(runtime, session, stream) {
    this.Tensor = runtime.Tensor;
    this.session = session;
    this.stream = stream;
    this.begin();
  }

  begin() {
    this.states = {};
    for (const { name, shape, dtype } of this.stream.states) {
      const size = shape.reduce((product, length) => product * length, 1);
      this.states[name] = new this.Tensor(dtype, new ARRAYS[dtype](size), shape);
    }
    this.kept = [];
    this.nSamples = 0;
    this.nBlocks = 0;
  }

  /** Take the next samples and return the logits now known, (t, C) row by row. */
  async push(samples) {
    this.kept.push(samples);
    this.nSamples += samples.length;
    return this.advance(this.blocksOf(this.nSamples), UNKNOWN_END);
  }

  /** End the waveform and return the remaining logits. The next push begins another. */
  async flush() {
    const { block_steps: blockSteps, win_length: least } = this.stream;
    const nSteps = this.stepsOf(this.nSamples);
    const left = Math.max(0, nSteps - this.nBlocks * blockSteps);
    const end = BigInt(Math.max(this.nSamples, least));
    const logits = await this.advance(Math.ceil(nSteps / blockSteps), end);
    this.begin();
    return logits.subarray(0, left * this.nOutputs);
  }

  /** Run at most this many blocks of the stream. */
  async advance(nBlocks, end) {
    if (nBlocks <= this.nBlocks) return new Float32Array(0);
    const wanted = this.samplesOf(nBlocks) - this.samplesOf(this.nBlocks);
    const kept = joined(this.kept);
    const taken = new Float32Array(wanted); // missing samples are zeros
    taken.set(kept.subarray(0, wanted));
    const given = {
      waveform: new this.Tensor("float32", taken, [1, wanted]),
      end: new this.Tensor("int64", BigInt64Array.of(end), [1]),
    };
    for (const [name, state] of Object.entries(this.states)) given[`state_${name}`] = state;
    const found = await this.session.run(given);
    for (const name of Object.keys(this.states)) this.states[name] = found[`next_${name}`];
    this.kept = [kept.slice(wanted)];
    this.nBlocks = nBlocks;
    this.nOutputs = found.logits.dims[2];
    return found.logits.data;
  }

  stepsOf(nSamples) {
    const { win_length: least, reach, hop_length: hop, subsampling } = this.stream;
    const nFrames = Math.max(1, Math.floor((Math.max(nSamples, least) - reach) / hop) + 1);
    return Math.ceil(nFrames / subsampling);
  }

  blocksOf(nSamples) {
    const { first_samples: first, first_blocks: blocks, block_samples: size } = this.stream;
    return nSamples < first ? 0 : blocks + Math.floor((nSamples - first) / size);
  }

  samplesOf(nBlocks) {
    const { first_samples: first, first_blocks: blocks, block_samples: size } = this.stream;
    return nBlocks ? first + Math.max(0, nBlocks - blocks) * size : 0;
  }
}

/** Turn logits into posteriors in place, (t, C) row by row, with a temperature. */
export function softmax(logits, nOutputs, temperature) {
  for (let row = 0; row < logits.length; row += nOutputs) {
    const scores = logits.subarray(row, row + nOutputs);
    let top = -Infinity;
    for (const score of scores) top = Math.max(top, score / temperature);
    let sum = 0;
    for (const score of scores) sum += Math.exp(score / temperature - top);
    if (!(sum > 0)) throw new Error("the recogniser computes values that are no numbers");
    for (let column = 0; column < nOutputs; column++) {
      scores[column] = Math.exp(scores[column] / temperature - top) / sum;
    }
  }
  return logits;
}
