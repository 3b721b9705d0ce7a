/** Where sound comes from: the microphone, and files. */

import { scriptAddress } from "./resources.js";

const OTHER_RATE = 48_000;

/** The microphone, from `start` to `stop`. */
export class Microphone {
  /** @param {function} take is called with each chunk of samples. */
  constructor(take) {
    this.take = take;
  }

  /** Ask for the microphone, and return its sample rate in Hz. */
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("the browser gives no microphone here: use https or localhost, or a file");
    }
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const asked = navigator.mediaDevices.getUserMedia({ audio: plain });
    try {
      this.context = new AudioContext({ latencyHint: "playback" }); // fewer gaps when busy
      const prepared = this.context.audioWorklet.addModule(scriptAddress("capture.js"));
      prepared.catch(() => {}); // awaited below, after the microphone
      this.media = await asked;
      await prepared;
      this.node = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
      this.node.port.onmessage = ({ data }) => this.take(data);
      this.source = this.context.createMediaStreamSource(this.media);
      this.source.connect(this.node);
      await this.context.resume();
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this.context.sampleRate;
  }

  /** The name that the browser has for it. */
  get name() {
    return this.media.getAudioTracks()[0].label;
  }

  async stop() {
    if (this.node) this.node.port.onmessage = null;
    this.source?.disconnect();
    for (const track of this.media?.getTracks() ?? []) track.stop();
    if (this.context?.state !== "closed") await this.context?.close();
  }
}

/** Say in one sentence why there is no microphone. */
export function microphoneProblem(error) {
  if (error.name === "NotAllowedError") {
    return "The browser may not use the microphone: allow it for this page, or open a file.";
  }
  if (error.name === "NotFoundError") return "There is no microphone; open a file.";
  return `The microphone cannot be used: ${error.message}.`;
}

/** Return the samples of a sound file, the mean of its channels, and its sample rate in Hz. */
export async function decodedFile(file) {
  const content = await file.arrayBuffer();
  const rate = sampleRateOf(new DataView(content)) ?? OTHER_RATE;
  // At the file's own rate nothing is resampled here, so that one resampler does it for all.
  const context = new OfflineAudioContext(1, 1, rate);
  const sound = await context.decodeAudioData(content);
  const samples = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((value, index) => {
      samples[index] += value / sound.numberOfChannels;
    });
  }
  return { samples, sampleRate: sound.sampleRate };
}

/** Return the sample rate that the header of a WAV, FLAC or Ogg Vorbis file states, or null. */
export function sampleRateOf(view) {
  const text = (place, n) =>
    String.fromCharCode(...new Uint8Array(view.buffer, place, Math.min(n, view.byteLength - place)));
  const size = view.byteLength;
  let rate = null;
  if (size > 44 && text(0, 4) === "RIFF") {
    let place = 12;
    while (place + 16 < size && text(place, 4) !== "fmt ") {
      place += 8 + view.getUint32(place + 4, true) + (view.getUint32(place + 4, true) % 2);
    }
    if (place + 16 < size) rate = view.getUint32(place + 12, true);
  } else if (size > 42 && text(0, 4) === "fLaC") {
    rate = view.getUint32(18) >>> 12;
  } else if (size > 44 && text(0, 4) === "OggS" && text(29, 6) === "vorbis") {
    rate = view.getUint32(40, true);
  }
  return rate >= 3000 && rate <= 768_000 ? rate : null; // as browsers allow
}
