/** Spectra of a stream, for the eye: levels of bands that are spaced as the ear hears. */

const FLOOR_DB = -95;
const CEILING_DB = -25;

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (mel) => 700 * (10 ** (mel / 2595) - 1);

export class Spectrum {
  /**
   * @param {number} sampleRate in Hz.
   * @param {number} nBands number of bands from 0 Hz to half of the rate.
   */
  constructor(sampleRate, nBands) {
    this.size = 2 ** Math.ceil(Math.log2(0.025 * sampleRate));
    const { size } = this;
    this.window = Float32Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
    this.cosine = Float32Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
    this.sine = Float32Array.from({ length: size / 2 }, (_, n) => Math.sin((2 * Math.PI * n) / size));
    this.real = new Float32Array(size);
    this.imaginary = new Float32Array(size);
    const top = mel(sampleRate / 2);
    const edge = (band) => (hertz((top * band) / nBands) * size) / sampleRate;
    this.bands = Array.from({ length: nBands }, (_, band) => [
      Math.floor(edge(band)),
      Math.max(Math.floor(edge(band)) + 1, Math.floor(edge(band + 1))),
    ]);
  }

  /** Write the levels of the last samples, 0 to 255 for each band, into `levels`. */
  measure(samples, levels) {
    const { size, real, imaginary, window } = this;
    for (let n = 0; n < size; n++) {
      const place = samples.length - size + n;
      real[n] = place < 0 ? 0 : samples[place] * window[n];
      imaginary[n] = 0;
    }
    this.transform();
    this.bands.forEach(([first, last], band) => {
      let power = 0;
      for (let bin = first; bin < last; bin++) {
        power = Math.max(power, real[bin] ** 2 + imaginary[bin] ** 2);
      }
      const level = 10 * Math.log10(power / (size / 4) ** 2 + 1e-12);
      levels[band] = Math.max(0, Math.min(255, (255 * (level - FLOOR_DB)) / (CEILING_DB - FLOOR_DB)));
    });
  }

  /** The fast Fourier transform in place, by halves (Cooley and Tukey, 1965). */
  transform() {
    const { size, real, imaginary, cosine, sine } = this;
    for (let i = 1, j = 0; i < size; i++) {
      let bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) [real[i], real[j]] = [real[j], real[i]];
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let begin = 0; begin < size; begin += 2 * half) {
        for (let k = 0; k < half; k++) {
          const [a, b] = [begin + k, begin + k + half];
          const [c, s] = [cosine[k * stride], -sine[k * stride]];
          const re = real[b] * c - imaginary[b] * s;
          const im = real[b] * s + imaginary[b] * c;
          [real[b], imaginary[b]] = [real[a] - re, imaginary[a] - im];
          [real[a], imaginary[a]] = [real[a] + re, imaginary[a] + im];
        }
      }
    }
  }
}
