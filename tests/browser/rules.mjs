// Answer cases of the rules: node rules.mjs KIND < cases.json > answers.json

import { readFileSync } from "node:fs";
import { Gate } from "../../speech_rnn/browser/static/gate.js";
import { Resampler } from "../../speech_rnn/browser/static/resampler.js";
import { sampleRateOf } from "../../speech_rnn/browser/static/sounds.js";
import { WordSpotter } from "../../speech_rnn/browser/static/spotter.js";

/** Cut an array into pieces of these sizes, and the rest. */
function* cut(values, sizes, width = 1) {
  let start = 0;
  for (const size of sizes) {
    yield values.subarray(start, start + size * width);
    start = Math.min(values.length, start + size * width);
  }
  yield values.subarray(start);
}

const KINDS = {
  spotter({ spotting, tokens, step, rate, sizes, posteriors, thresholds }) {
    const spotter = new WordSpotter(spotting, tokens, step, rate);
    const all = Float32Array.from(posteriors);
    const words = [];
    let n = 0;
    const pending = [];
    for (const values of cut(all, sizes, tokens.length)) {
      n += values.length / tokens.length;
      if (thresholds) spotter.spotter.setThresholds(thresholds);
      words.push(...spotter.hear([{ values, start: 0, stop: n * step, closes: false }]));
      pending.push(spotter.spotter.pending);
    }
    const end = { values: new Float32Array(0), start: 0, stop: n * step, closes: true };
    words.push(...spotter.hear([end]));
    return { words, pending };
  },
  gate({ gating, rate, sizes, samples }) {
    const gate = new Gate(gating, rate);
    const all = Float32Array.from(samples);
    const found = [...cut(all, sizes)].flatMap((piece) => gate.push(piece));
    found.push(...gate.finish());
    return found.map((one) => ({ ...one, samples: [...one.samples] }));
  },
  resampler({ source, target, sizes, samples }) {
    const resampler = new Resampler(source, target);
    const all = Float32Array.from(samples);
    const found = [...cut(all, sizes)].map((piece) => [...resampler.push(piece)]);
    return [...found, [...resampler.finish()]].flat();
  },
  rate({ content }) {
    return sampleRateOf(new DataView(Uint8Array.from(content).buffer));
  },
};

const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(KINDS[process.argv[2]])));
