/** The page that records words and trains a recogniser of them. */

import { TokenError, asked } from "../resources.js";
import { microphoneProblem } from "../sounds.js";
import { askForToken } from "../token.js";
import { Level } from "./level.js";
import { Listening } from "./listening.js";
import { Recorder } from "./recorder.js";
import { TakeList } from "./takes.js";
import { Training } from "./training.js";
import { wav } from "./wav.js";

const at = (id) => document.getElementById(id);
const READY_MS = 800; // to read the word before it is recorded
const MOST_FOUND = 50; // detections that are shown
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function say(text, isWrong = false) {
  if (at("status").textContent !== text) at("status").textContent = text; // a live region
  at("status").classList.toggle("wrong", isWrong);
}

const fail = (error) => say(error.message, true);

class Page {
  constructor() {
    this.level = new Level({ meter: at("level"), bar: at("bar"), text: at("level-text") });
    this.takes = new TakeList(
      { list: at("takes"), player: at("player") },
      { onMore: (word) => this.record(word), onDelete: (address) => this.remove(address), onFailed: fail },
    );
    this.training = new Training(at, {
      onLoaded: (isLoaded, isComing) => this.showModel(isLoaded, isComing),
      onFailed: fail,
    });
    this.recorder = null;
    this.listening = null;
    this.seconds = 0;
    at("record").onclick = () => (this.recorder ? this.stop() : this.record(null));
    at("listen").onclick = () => (this.listening ? this.listening.stop() : this.listen());
    at("words-form").onsubmit = (event) => {
      event.preventDefault();
      this.useWords();
    };
    at("who").onsubmit = (event) => event.preventDefault();
  }

  get room() {
    return new FormData(at("who")).get("room");
  }

  /** Show a state of the server. */
  show(state) {
    this.state = state;
    at("consent-text").textContent = state.consent;
    if (document.activeElement !== at("words")) {
      at("words").value = state.words.map(({ word }) => word).join("\n");
    }
    at("save-words").disabled = false;
    at("record").disabled = state.words.length === 0 && !this.recorder;
    at("missing").replaceChildren(...state.missing.map(item));
    if (!state.missing.length && state.words.length) at("missing").append(item("Nothing is missing."));
    this.takes.show(state.words, state.takes);
    this.training.hasTakes = state.takes.length > 0;
    this.training.show(state.training);
  }

  async load() {
    this.show(await (await asked("record/state")).json());
    say(this.state.words.length ? "Ready." : "Write the words that you want to record.");
  }

  async useWords() {
    const words = at("words").value.split("\n");
    try {
      const body = JSON.stringify({ words });
      at("words").blur();
      this.show(await (await asked("record/words", { method: "PUT", body })).json());
      say("The words are saved.");
    } catch (error) {
      fail(error);
    }
  }

  async remove(address) {
    try {
      this.show(await (await asked(address, { method: "DELETE" })).json());
      say("The take is deleted.");
    } catch (error) {
      fail(error);
    }
  }

  /** Record one take of a word, or, for null, all that is missing in this room. */
  async record(only) {
    if (this.recorder || !at("who").reportValidity()) return;
    const recorder = new Recorder((samples) => this.level.show(samples));
    this.recorder = recorder;
    this.showRecording();
    say("Waiting for the microphone.");
    try {
      const name = await recorder.open();
      if (!at("device").value) at("device").value = name.slice(0, at("device").maxLength);
      await this.takeAll(recorder, only);
    } catch (error) {
      if (recorder.isOpen) fail(error);
      else say(microphoneProblem(error), true);
    }
    await recorder.close();
    if (this.recorder === recorder) await this.stop();
  }

  async takeAll(recorder, only) {
    while (this.recorder === recorder) {
      const word = only ?? this.state.next[this.room];
      if (!word) return say(this.whatNext());
      say(`Get ready: ${word}`);
      this.cue(word, false);
      await pause(READY_MS);
      if (this.recorder !== recorder) return;
      this.cue(word, true);
      const { seconds } = this.state.words.find((one) => one.word === word);
      const samples = await recorder.take(seconds);
      this.cue("", false);
      if (!samples) return;
      const { findings } = await this.save(word, wav(samples, recorder.sampleRate));
      say([`'${word}' is saved.`, ...findings].join(" "), findings.length > 0);
      if (findings.length || only) return; // so that the speaker reads it, and mends it
    }
  }

  async save(word, content) {
    const body = new FormData();
    const values = { word, speaker: at("speaker").value, device: at("device").value, room: this.room };
    for (const [name, value] of Object.entries(values)) body.set(name, value);
    body.set("consent", at("consent").checked);
    body.set("file", new Blob([content], { type: "audio/wav" }), "take.wav");
    const state = await (await asked("record/takes", { method: "POST", body })).json();
    this.show(state);
    return state;
  }

  whatNext() {
    if (!this.state.missing.length) return "Nothing is missing. Train the recogniser now.";
    return "Nothing more is missing in this room. Choose the other room for the rest.";
  }

  cue(text, isNow) {
    at("cue").textContent = text && `${isNow ? "Say now" : "Next"}: ${text}`;
    at("cue").classList.toggle("now", isNow);
  }

  async stop() {
    const { recorder } = this;
    this.recorder = null;
    this.showRecording();
    this.cue("", false);
    await recorder?.close();
    this.level.clear();
  }

  showRecording() {
    const isOn = this.recorder !== null;
    at("record").textContent = isOn ? "Stop" : "Record";
    at("record").setAttribute("aria-pressed", String(isOn));
  }

  showModel(isLoaded, isComing) {
    const { name } = this.state;
    at("listen").disabled = !isLoaded && !this.listening;
    at("listen").dataset.loaded = isLoaded;
    if (isComing) at("model-text").textContent = `The server loads the recogniser ${name}.`;
    else if (isLoaded) at("model-text").textContent = `The server recognises with ${name}.`;
    else at("model-text").textContent = "There is no recogniser yet.";
  }

  async listen() {
    at("found").replaceChildren();
    const listening = new Listening(
      (message) => this.hear(message),
      (reason) => this.endListening(reason),
    );
    try {
      await listening.start(this.state.name);
      this.listening = listening;
      this.showListening("Connecting.");
    } catch (error) {
      at("listening").textContent = microphoneProblem(error);
    }
  }

  hear(message) {
    if (message.type === "ready") this.showListening(`Listening for ${message.words.join(", ")}.`);
    if (message.type === "end") this.seconds = message.seconds;
    if (message.type !== "word") return;
    at("found").prepend(item(`${message.word} (${Math.round(100 * message.confidence)} %)`));
    if (at("found").children.length > MOST_FOUND) at("found").lastChild.remove();
  }

  endListening(reason) {
    this.listening = null;
    this.showListening(reason ? `It has ended: ${reason}.` : `Listened for ${this.seconds.toFixed(1)} s.`);
  }

  showListening(text) {
    const isOn = this.listening !== null;
    at("listen").textContent = isOn ? "Stop" : "Listen";
    at("listen").setAttribute("aria-pressed", String(isOn));
    at("listening").textContent = text;
  }
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

async function start(page) {
  try {
    await page.load();
  } catch (error) {
    if (!(error instanceof TokenError)) return fail(error);
    await askForToken(say);
    await start(page);
  }
}

start(new Page());
