/** Change the sample rate of a stream by band-limited interpolation: a windowed sinc. */

const ATTENUATION_DB = 120;
const PASSBAND = 0.913; // share of the band that stays as it is, as in soxr's quality HQ
const BETA = 0.1102 * (ATTENUATION_DB - 8.7); // of the Kaiser window

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
    this.cutoff = (band * (1 + PASSBAND)) / 2;
    const nTaps = (ATTENUATION_DB - 8) / (2.285 * Math.PI * band * (1 - PASSBAND));
    this.half = Math.ceil(nTaps / 2);
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
    const taps = new Float64Array(2 * this.half);
    for (let tap = 0; tap < taps.length; tap++) {
      const t = phase / this.up + this.half - 1 - tap;
      const angle = Math.PI * this.cutoff * t;
      const sinc = t === 0 ? this.cutoff : (this.cutoff * Math.sin(angle)) / angle;
      const side = t / this.half;
      const window = Math.abs(side) < 1 ? bessel(BETA * Math.sqrt(1 - side * side)) : 1;
      taps[tap] = (sinc * window) / bessel(BETA);
    }
    this.phases[phase] = taps;
    return taps;
  }
}
