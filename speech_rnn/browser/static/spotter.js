/**
 * Detect words in posteriors: the rules of speech_rnn/streaming/spotter.py, which says how each
 * setting acts. Both give the same events.
 */

import { round } from "./numbers.js";

const NEVER = -(2 ** 62);
const NO_WORDS = ["_blank_", "_silence_", "_unknown_"];

/** Return the columns of the posteriors that are words. */
export function wordColumns(tokens) {
  return tokens.flatMap((token, column) => (NO_WORDS.includes(token) ? [] : [column]));
}

/** Return the value of a word that has one of its own: a word may be called "constructor". */
export function ownValue(values, word) {
  return Object.hasOwn(values, word) ? values[word] : undefined;
}

/** Detects words in posteriors that arrive in pieces, independently of how they are cut. */
export class Spotter {
  /**
   * @param {object} spotting settings, as `Spotting.to_dict` of Python writes them.
   * @param {string[]} tokens tokens of the posteriors' columns.
   * @param {number} stepSeconds time between two steps.
   */
  constructor(spotting, tokens, stepSeconds) {
    this.nTokens = tokens.length;
    this.columns = wordColumns(tokens);
    this.words = this.columns.map((column) => tokens[column]);
    this.release = spotting.release;
    this.isMax = spotting.smoothing === "max";
    this.nSmooth = Math.max(1, round(spotting.smoothing_seconds / stepSeconds));
    this.settle = round(spotting.settle_seconds / stepSeconds);
    this.shortest = round(spotting.min_seconds / stepSeconds);
    this.refractory = round(spotting.refractory_seconds / stepSeconds);
    this.setThresholds(
      this.words.map((word) => ownValue(spotting.thresholds, word) ?? spotting.threshold),
    );
    this.begin();
  }

  /** Set the threshold of each word; words that are open stay open. */
  setThresholds(thresholds) {
    this.threshold = thresholds;
    this.level = thresholds.map((value) => value * this.release);
  }

  begin() {
    const nWords = this.words.length;
    this.step = 0;
    this.kept = Array.from({ length: this.nSmooth }, () => new Float64Array(nWords));
    this.score = new Float64Array(nWords);
    this.begun = new Array(nWords).fill(NEVER);
    this.last = new Array(nWords).fill(NEVER);
    this.closed = new Array(nWords).fill(NEVER);
    this.open = new Map(); // word -> {isSpent, peak, peakStep, hasFired}
    this.fired = []; // events that an open word may share steps with
  }

  /**
   * Take the next posteriors, (t, C) row by row, and return their events: {word, start, stop,
   * confidence}, in steps since the first push or the last flush.
   */
  push(posteriors) {
    const events = [];
    for (let place = 0; place < posteriors.length; place += this.nTokens) {
      const evidence = this.kept.shift(); // the oldest row becomes the newest one
      this.kept.push(evidence);
      this.readEvidence(posteriors, place, evidence);
      this.smooth();
      events.push(...this.advance(evidence));
      this.step += 1;
    }
    return events;
  }

  /** End the stream and return the remaining events. The next push begins another. */
  flush() {
    const events = this.fire([...this.open.keys()].filter((word) => this.mayFire(word)));
    this.begin();
    return events;
  }

  /** Words that are open and may yet be reported, the highest score first. */
  get pending() {
    return [...this.open]
      .filter(([, state]) => !state.isSpent)
      .sort(([first, a], [second, b]) => b.peak - a.peak || first - second)
      .map(([word]) => this.words[word]);
  }

  /** Only the most probable word counts at a step. */
  readEvidence(posteriors, place, evidence) {
    let best = 0;
    for (let word = 1; word < evidence.length; word++) {
      if (posteriors[place + this.columns[word]] > posteriors[place + this.columns[best]]) {
        best = word;
      }
    }
    evidence.fill(0);
    if (evidence.length) evidence[best] = posteriors[place + this.columns[best]];
  }

  smooth() {
    const { kept, score } = this;
    score.fill(0);
    for (const row of kept) {
      for (let word = 0; word < score.length; word++) {
        score[word] = this.isMax ? Math.max(score[word], row[word]) : score[word] + row[word];
      }
    }
    if (!this.isMax) score.forEach((sum, word) => (score[word] = sum / this.nSmooth));
  }

  advance(evidence) {
    const { step, score, level } = this;
    for (let word = 0; word < evidence.length; word++) {
      if (evidence[word] < level[word]) continue;
      if (step - this.last[word] > this.nSmooth) this.begun[word] = step;
      this.last[word] = step;
    }
    for (let word = 0; word < score.length; word++) {
      if (score[word] < this.threshold[word] || this.open.has(word)) continue;
      const isSpent = step - this.closed[word] < this.refractory;
      this.open.set(word, { isSpent, peak: 0, peakStep: 0, hasFired: false });
      if (this.last[word] === NEVER) this.begun[word] = this.last[word] = step;
    }
    const ready = [];
    const closing = [];
    for (const [word, state] of this.open) {
      if (score[word] > state.peak) Object.assign(state, { peak: score[word], peakStep: step });
      const closes = score[word] < level[word];
      if (closes) closing.push(word);
      const isSettled = closes || step - state.peakStep >= this.settle;
      if (isSettled && this.mayFire(word)) ready.push(word);
    }
    const events = this.fire(ready);
    for (const word of closing) {
      if (this.open.get(word).hasFired) this.closed[word] = step;
      this.open.delete(word);
      this.last[word] = NEVER;
    }
    return events;
  }

  mayFire(word) {
    const [start, stop] = this.span(word);
    return !this.open.get(word).isSpent && stop - start >= this.shortest;
  }

  span(word) {
    return [this.begun[word], this.last[word] + 1];
  }

  fire(ready) {
    const events = [];
    const peak = (word) => this.open.get(word).peak;
    ready.sort((first, second) => peak(second) - peak(first) || first - second);
    for (const word of ready) {
      const state = this.open.get(word);
      state.isSpent = true;
      if (this.hasRival(word)) continue;
      state.hasFired = true;
      const [start, stop] = this.span(word);
      const earliest = Math.min(...[...this.open.keys()].map((other) => this.begun[other]));
      this.fired = this.fired.filter((old) => old.stop > earliest);
      this.fired.push({ index: word, start, stop });
      events.push({ word: this.words[word], start, stop, confidence: state.peak });
    }
    return events;
  }

  /** Whether a word shares steps with another event, or with a higher open word. */
  hasRival(word) {
    const [start, stop] = this.span(word);
    const { peak } = this.open.get(word);
    const meets = (first, last) => first < stop && start < last;
    return (
      this.fired.some((old) => old.index !== word && meets(old.start, old.stop)) ||
      [...this.open].some(
        ([other, state]) => !state.isSpent && state.peak > peak && meets(...this.span(other)),
      )
    );
  }
}

/** Detects words in pieces of posteriors, {values, start, stop, closes}, with times in seconds. */
export class WordSpotter {
  constructor(spotting, tokens, stepLength, sampleRate) {
    this.spotter = new Spotter(spotting, tokens, stepLength / sampleRate);
    this.lags = spotting.lags;
    this.stepLength = stepLength;
    this.sampleRate = sampleRate;
  }

  hear(pieces) {
    const words = [];
    for (const piece of pieces) {
      const events = this.spotter.push(piece.values);
      if (piece.closes) events.push(...this.spotter.flush());
      words.push(...events.map((event) => this.timed(event, piece)));
    }
    return words;
  }

  timed({ word, start, stop, confidence }, piece) {
    const [first, last] = (ownValue(this.lags, word) ?? [0, 0]).map((lag) => round(lag * this.sampleRate));
    const begin = piece.start + Math.max(0, start * this.stepLength - first);
    // The end of a stretch may lie within a step.
    const end = Math.min(piece.start + stop * this.stepLength - last, piece.stop);
    return {
      word,
      start: begin / this.sampleRate,
      end: Math.max(begin, end) / this.sampleRate,
      confidence: Math.min(1, confidence),
    };
  }
}
