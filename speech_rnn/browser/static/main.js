/** The page: what its buttons do, and what it shows of the recogniser. */

import { Pictures } from "./drawing.js";
import { History } from "./history.js";
import { Recogniser } from "./recogniser.js";
import { TokenError } from "./resources.js";
import { Microphone, decodedFile, microphoneProblem } from "./sounds.js";
import { wordColumns } from "./spotter.js";
import { askForToken } from "./token.js";
import { Detections, Thresholds } from "./words.js";

const at = (id) => document.getElementById(id);
const LAG_SECONDS = 0.12; // by which the pictures follow the sound, so that they scroll evenly
const LATE_SECONDS = 2; // of sound that waits, after which the page says so
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const CALM_SECONDS = 0.5;

function say(text, isWrong = false) {
  if (at("status").textContent !== text) at("status").textContent = text; // a live region
  at("status").classList.toggle("wrong", isWrong);
}

class Page {
  constructor(recogniser) {
    const { description } = recogniser;
    const columns = wordColumns(description.tokens);
    const words = columns.map((column) => description.tokens[column]);
    this.recogniser = recogniser;
    this.history = new History(description, columns);
    this.pictures = new Pictures(
      { wave: at("wave"), spectrum: at("spectrum"), scores: at("scores") },
      this.history,
      words,
    );
    this.detections = new Detections((found) => this.show(found));
    this.thresholds = new Thresholds(words, description.spotting, (values) =>
      recogniser.useThresholds(values),
    );
    this.microphone = null;
    this.file = null;
    this.pending = [];
    this.edge = 0;
    this.follows = true;
    this.drawn = 0;
    this.connect();
    this.isLoaded = false;
    recogniser.loaded.then(
      () => this.showLoaded(),
      (error) => this.showLost(error),
    );
    requestAnimationFrame((now) => this.frame(now));
  }

  showLoaded() {
    this.isLoaded = true;
    if (this.microphone) {
      this.waited = this.recogniser.pushedSeconds;
      say("Listening.");
    } else if (!this.file) {
      say("Ready. Press Listen, or drop a sound file here.");
    }
  }

  async showLost(error) {
    at("listen").disabled = at("file").disabled = true;
    if (this.microphone) await this.stopListening();
    say(`The page cannot start: ${error.message}.`, true);
  }

  connect() {
    const { recogniser } = this;
    recogniser.onDetected = (message) => this.showDetected(message);
    recogniser.onAgain = ({ words }) => {
      this.detections.replace(words);
      this.pictures.isStale = true;
      this.summarise();
    };
    recogniser.onFailed = (reason) => say(`The recogniser fails: ${reason}.`, true);
    at("listen").disabled = at("file").disabled = false;
    at("listen").onclick = () => (this.microphone ? this.stopListening() : this.listen());
    at("file").onchange = ({ target }) => {
      if (target.files[0]) this.open(target.files[0]);
      target.value = "";
    };
    at("position").oninput = ({ target }) => {
      this.follows = target.value === target.max;
      this.edge = Number(target.value);
    };
    let depth = 0; // of the elements that a file is dragged over
    const shade = (change) => (at("drop").hidden = (depth = Math.max(0, depth + change)) === 0);
    addEventListener("dragenter", () => shade(1));
    addEventListener("dragleave", () => shade(-1));
    addEventListener("drop", (event) => {
      shade(-depth);
      if (event.dataTransfer.files[0]) this.open(event.dataTransfer.files[0]);
    });
  }

  begin(sampleRate) {
    this.file = null;
    this.waited = 0; // seconds of sound that waited for the recogniser
    this.history.clear();
    this.detections.replace([]);
    this.pending = [];
    this.edge = 0;
    this.follows = true;
    at("position").value = at("position").max = 0;
    const options = { isGated: at("gate").checked, thresholds: this.thresholds.values };
    this.recogniser.begin(sampleRate, options);
  }

  async listen() {
    at("listen").disabled = true;
    say("Waiting for the microphone.");
    const microphone = new Microphone((samples) => this.recogniser.push(samples));
    try {
      const sampleRate = await microphone.start();
      this.begin(sampleRate);
      this.microphone = microphone;
      this.showListening();
      say(this.isLoaded ? "Listening." : "Listening. Words follow once the recogniser is loaded.");
    } catch (error) {
      say(microphoneProblem(error), true);
    }
    at("listen").disabled = false;
  }

  async stopListening() {
    const { microphone } = this;
    this.microphone = null;
    this.showListening();
    await microphone.stop();
    this.recogniser.finish();
    say("Stopped.");
  }

  showListening() {
    const isOn = this.microphone !== null;
    at("listen").textContent = isOn ? "Stop" : "Listen";
    at("listen").setAttribute("aria-pressed", String(isOn));
  }

  async open(file) {
    if (this.microphone) await this.stopListening();
    say(`Reading ${file.name}.`);
    try {
      const { samples, sampleRate } = await decodedFile(file);
      this.begin(sampleRate);
      this.file = { name: file.name, seconds: samples.length / sampleRate };
      this.recogniser.whole(samples);
    } catch {
      say(`${file.name} is no sound that this browser can read.`, true);
    }
  }

  showDetected({ samples, pieces, words, pending, isEnd, soundSeconds, computeSeconds }) {
    this.history.addSamples(samples);
    this.history.addPosteriors(pieces);
    this.detections.add(words);
    this.pending = pending;
    if (soundSeconds) {
      const share = computeSeconds / soundSeconds;
      at("speed").textContent = `The recogniser computes for ${(100 * share).toFixed(1)} % of the time.`;
      at("speed").dataset.share = share;
    }
    if (this.microphone) {
      const late = this.recogniser.pushedSeconds - soundSeconds;
      const isLate = late > LATE_SECONDS + Math.max(0, this.waited - soundSeconds);
      return say(isLate ? `This device is slow: words come ${late.toFixed(0)} s late.` : "Listening.", isLate);
    }
    if (!this.file) return; // the microphone has stopped
    const { name, seconds } = this.file;
    const percent = Math.floor((100 * soundSeconds) / seconds);
    if (!isEnd) return say(`Recognising ${name}: ${percent} %.`);
    this.summarise();
  }

  /** Say how many words a file has. */
  summarise() {
    const n = this.detections.words.length;
    const { name, seconds } = this.file;
    say(`${name}: ${n} ${n === 1 ? "word" : "words"} in ${seconds.toFixed(1)} s.`);
  }

  /** Bring a detection into the pictures. */
  show({ start, end }) {
    const middle = (start + end) / 2 + this.pictures.seconds / 2;
    this.follows = false;
    this.edge = Math.min(this.history.seconds, Math.max(this.pictures.seconds, middle));
  }

  frame(now) {
    const seconds = Math.min(0.1, (now - (this.last ?? now)) / 1000);
    this.last = now;
    this.scroll(seconds);
    const { words } = this.detections;
    const edge = Math.max(this.edge, this.pictures.seconds);
    const shown = [edge, this.history.nColumns, this.history.nScored, words.length, this.pending].join();
    const isNew = shown !== this.shown || this.pictures.isStale;
    if (isNew && (!calm.matches || now - this.drawn >= 1000 * CALM_SECONDS)) {
      this.drawn = now;
      this.shown = shown;
      this.pictures.draw(edge, words, this.pending);
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  /** Move the right side of the pictures towards the newest sound. */
  scroll(seconds) {
    const newest = this.history.seconds;
    if (this.follows) {
      const next = this.edge + seconds;
      const isBehind = next < newest - 3 * LAG_SECONDS || !this.microphone;
      this.edge = Math.min(newest, isBehind ? newest - (this.microphone ? LAG_SECONDS : 0) : next);
    }
    if (this.placed === `${this.edge} ${newest} ${this.follows}`) return;
    this.placed = `${this.edge} ${newest} ${this.follows}`;
    const position = at("position");
    const least = Math.min(newest, this.history.begin + this.pictures.seconds);
    position.min = least.toFixed(1);
    position.max = newest.toFixed(1);
    position.value = this.follows ? position.max : this.edge;
    position.disabled = newest <= this.pictures.seconds;
    position.setAttribute("aria-valuetext", `${this.edge.toFixed(1)} seconds`);
  }
}

// Otherwise the browser would leave the page for a file that is dropped early.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => event.preventDefault());

async function start() {
  say("Loading the recogniser.");
  try {
    const recogniser = await Recogniser.load();
    const { name, tokens, sample_rate: rate } = recogniser.description;
    at("name").textContent = name;
    document.title = `${name} – speech_rnn`;
    const n = wordColumns(tokens).length;
    at("about").textContent = `${n} words at ${rate / 1000} kHz, recognised in this browser: no sound leaves it.`;
    new Page(recogniser);
  } catch (error) {
    if (error instanceof TokenError) {
      await askForToken(say);
      return start();
    }
    say(`The page cannot start: ${error.message}.`, true);
  }
}

start();
