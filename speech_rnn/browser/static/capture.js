/** Runs beside the sound card: hands on the mean of the channels in chunks. */

const CHUNK = 2048;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Float32Array(CHUNK);
    this.filled = 0;
  }

  process([channels]) {
    const n = channels[0]?.length ?? 0;
    for (let place = 0; place < n; place++) {
      let sum = 0;
      for (const channel of channels) sum += channel[place];
      this.chunk[this.filled++] = sum / channels.length;
      if (this.filled < CHUNK) continue;
      this.port.postMessage(this.chunk, [this.chunk.buffer]);
      this.chunk = new Float32Array(CHUNK);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
