/**
 * Change the sample rate of a stream by band-limited interpolation: a windowed sinc.
 *
 * Python resamples with soxr's quality HQ. Cutoff, Kaiser window and length are those of its response to an
 * impulse. soxr uses one filter for simple ratios, and another for the rest.
 */

const SIMPLEST = 3; // largest term of a simple ratio

function greatestDivisor(a, b) {
  return b ? greatestDivisor(b, a % b) : a;
}

/** The modified Bessel function of the first kind, of order 0, by its series. */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** Resamples chunks of any size; the result is not delayed, and has rounded(n · target / source) samples. */
export class Resampler {
  constructor(sourceRate, targetRate) {
    const divisor = greatestDivisor(sourceRate, targetRate);
    this.up = targetRate / divisor;
    this.down = sourceRate / divisor;
    const band = Math.min(1, this.up / this.down); // of the source's band, as a share
    if (Math.max(this.up, this.down) <= SIMPLEST) {
      const nTaps = 4 * Math.ceil((48.125 * this.up) / band) + 1; // at `up` times the source's rate
      this.window = { beta: 13.04, half: nTaps / 2 / this.up };
      this.cutoff = 0.956872 * band;
    } else {
      this.window = { beta: 15.978, half: 109.67 / band };
      this.cutoff = 0.956843 * band;
    }
    this.half = Math.ceil(this.window.half);
    this.phases = new Array(this.up);
    this.begin();
  }

  begin() {
    this.kept = new Float32Array(this.half); // silence before the first sample
    this.first = -this.half; // position of the first kept sample
    this.nIn = 0;
    this.nOut = 0;
  }

  /** Take the next samples and return those now known. */
  push(samples) {
    this.nIn += samples.length;
    return this.advance(samples, Math.ceil(((this.nIn - this.half) * this.up) / this.down));
  }

  /** End the stream and return the remaining samples. The next push begins another. */
  finish() {
    const total = Math.round((this.nIn * this.up) / this.down);
    const found = this.advance(new Float32Array(this.half + 1), total);
    this.begin();
    return found;
  }

  /** Compute the samples of the result up to a position. */
  advance(samples, end) {
    const kept = new Float32Array(this.kept.length + samples.length);
    kept.set(this.kept);
    kept.set(samples, this.kept.length);
    const found = new Float32Array(Math.max(0, end - this.nOut));
    for (let index = 0; index < found.length; index++, this.nOut++) {
      const place = this.nOut * this.down;
      const taps = this.taps(place % this.up);
      const begin = Math.floor(place / this.up) - this.half + 1 - this.first;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) sum += taps[tap] * kept[begin + tap];
      found[index] = Math.max(-1, Math.min(1, sum)); // it overshoots
    }
    const next = Math.floor((this.nOut * this.down) / this.up) - this.half + 1;
    const unneeded = Math.max(0, Math.min(next - this.first, kept.length));
    this.kept = kept.slice(unneeded);
    this.first += unneeded;
    return found;
  }

  /** Return the weights of the samples around a position between two of them. */
  taps(phase) {
    if (this.phases[phase]) return this.phases[phase];
    const { beta, half } = this.window;
    const taps = new Float64Array(2 * this.half);
    for (let tap = 0; tap < taps.length; tap++) {
      const t = phase / this.up + this.half - 1 - tap;
      const angle = Math.PI * this.cutoff * t;
      const sinc = t === 0 ? this.cutoff : (this.cutoff * Math.sin(angle)) / angle;
      const side = t / half;
      const window = Math.abs(side) < 1 ? bessel(beta * Math.sqrt(1 - side * side)) : 0;
      taps[tap] = (sinc * window) / bessel(beta);
    }
    this.phases[phase] = taps;
    return taps;
  }
}
