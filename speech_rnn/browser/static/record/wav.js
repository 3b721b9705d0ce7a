/** Samples as 16-bit PCM, and as a WAV file. */

const HEADER_BYTES = 44;

/** Write samples in [-1, 1] as 16-bit integers into a view; louder samples are clipped. */
function write(view, begin, samples) {
  samples.forEach((sample, index) => {
    const value = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    view.setInt16(begin + 2 * index, value, true);
  });
}

/** Return samples as raw 16-bit PCM. */
export function pcm(samples) {
  const view = new DataView(new ArrayBuffer(2 * samples.length));
  write(view, 0, samples);
  return view.buffer;
}

/** Return samples as a WAV file of one channel. */
export function wav(samples, sampleRate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * samples.length));
  const text = (place, letters) =>
    [...letters].forEach((letter, index) => view.setUint8(place + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  write(view, HEADER_BYTES, samples);
  return view.buffer;
}
