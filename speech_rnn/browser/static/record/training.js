/** The training: its button, its progress, and its end. */

import { asked } from "../resources.js";

const POLL_MS = 1000;
const TEXTS = {
  idle: "",
  done: "The training has ended.",
  stopped: "The training was stopped.",
  failed: "The training has failed:",
};

export class Training {
  /**
   * @param {function} at returns an element by its id.
   * @param {object} actions `onLoaded(isLoaded)` and `onFailed(error)`.
   */
  constructor(at, actions) {
    this.at = at;
    this.actions = actions;
    at("train").onclick = () => this.ask("POST");
    at("stop-training").onclick = () => this.ask("DELETE");
  }

  async ask(method) {
    try {
      this.show(await (await asked("record/training", { method })).json());
    } catch (error) {
      this.actions.onFailed(error);
    }
  }

  /** Show a state of the server, and ask for the next while there is one to come. */
  show(state) {
    const { status, epoch, n_epochs: nEpochs, figures, line, error, is_loaded: isLoaded } = state;
    const isRunning = status === "running";
    const isComing = status === "done" && !isLoaded;
    this.at("train").disabled = isRunning || !this.hasTakes;
    this.at("stop-training").disabled = !isRunning;
    this.at("stop-training").hidden = !isRunning;
    const bar = this.at("progress");
    bar.hidden = !isRunning;
    if (nEpochs) Object.assign(bar, { max: nEpochs, value: epoch });
    else bar.removeAttribute("value");
    this.say(isRunning ? runningText(epoch, nEpochs, figures, line) : TEXTS[status] + figuresText(figures));
    this.at("training-error").hidden = status !== "failed";
    this.at("training-error").textContent = error;
    this.at("training-text").dataset.status = status;
    this.actions.onLoaded(isLoaded && !isComing, isComing);
    clearTimeout(this.timer);
    if (isRunning || isComing) this.timer = setTimeout(() => this.ask("GET"), POLL_MS);
  }

  say(text) {
    if (this.at("training-text").textContent !== text) this.at("training-text").textContent = text;
  }
}

function figuresText(figures) {
  const texts = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return texts.length ? ` Last epoch: ${texts.join(", ")}.` : "";
}

function runningText(epoch, nEpochs, figures, line) {
  if (!nEpochs) return `The training prepares its clips. ${line}`;
  return `Epoch ${epoch} of ${nEpochs}.${figuresText(figures)}`;
}
