/** Show the level of the microphone, and that it is clipped. */

const FULL_SCALE = 0.999;
const LEAST_DB = -60;
const QUIET_DB = -36; // below it, words are missed, as the server says too
const HELD_MS = 1500; // for which clipping stays visible

export class Level {
  /** @param {object} elements the meter, its bar, and a text. */
  constructor({ meter, bar, text }) {
    Object.assign(this, { meter, bar, text });
    this.clippedAt = -Infinity;
  }

  show(samples) {
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    const level = Math.max(LEAST_DB, Math.min(0, 20 * Math.log10(peak || 1e-9)));
    const now = performance.now();
    if (peak >= FULL_SCALE) this.clippedAt = now;
    const isClipped = now - this.clippedAt < HELD_MS;
    this.bar.style.width = `${(100 * (level - LEAST_DB)) / -LEAST_DB}%`;
    this.meter.classList.toggle("clipped", isClipped);
    this.meter.setAttribute("aria-valuenow", level.toFixed(0));
    this.text.classList.toggle("clipped", isClipped);
    const hint = isClipped ? "clipped: speak more softly, or lower the gain" : level < QUIET_DB ? "quiet" : "good";
    this.text.textContent = `${level.toFixed(0)} dB, ${hint}`;
  }

  clear() {
    this.bar.style.width = "0";
    this.meter.classList.remove("clipped");
    this.meter.setAttribute("aria-valuenow", LEAST_DB);
    this.text.classList.remove("clipped");
    this.text.textContent = "The level is shown while you record.";
  }
}
