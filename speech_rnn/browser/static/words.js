/** The lists beside the pictures: the detections, and the thresholds of the words. */

import { ownValue } from "./spotter.js";

const at = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)} %`;

/** The list of detections, the newest first. */
export class Detections {
  /** @param {function} show is called with a detection that a person chooses. */
  constructor(show) {
    this.show = show;
    this.words = [];
    at("clear").onclick = () => this.replace([]);
  }

  /** Add detections and speak them to a screen reader. */
  add(words) {
    if (!words.length) return;
    this.words.push(...words);
    for (const word of words) at("detections").prepend(this.row(word));
    this.refresh();
    const spoken = words.map(
      ({ word, start, confidence }) =>
        `${word}, at ${start.toFixed(1)} seconds, ${Math.round(100 * confidence)} percent`,
    );
    at("spoken").textContent = spoken.join("; ");
  }

  /** Show other detections in place of these. */
  replace(words) {
    this.words = [...words];
    at("detections").replaceChildren(...words.map((word) => this.row(word)).reverse());
    this.refresh();
    at("spoken").textContent = words.length === 1 ? "1 detection" : `${words.length} detections`;
  }

  refresh() {
    at("none").hidden = this.words.length > 0;
    at("clear").disabled = !this.words.length;
  }

  row(found) {
    const { word, start, end, confidence } = found;
    const row = document.createElement("li");
    Object.assign(row.dataset, { word, start, end, confidence });
    const button = document.createElement("button");
    const name = document.createElement("b");
    name.textContent = word;
    const time = document.createElement("span");
    time.textContent = `${start.toFixed(2)}–${end.toFixed(2)} s`;
    const sure = document.createElement("span");
    sure.textContent = percent(confidence);
    button.append(name, time, sure);
    button.title = "Show it in the pictures";
    button.onclick = () => this.show(found);
    row.append(button);
    return row;
  }
}

/** The thresholds: a slider for all words, and one for each. */
export class Thresholds {
  /**
   * @param {string[]} words
   * @param {object} spotting the recogniser's settings, whose thresholds are the first values.
   * @param {function} changed is called with the values when a person moves one.
   */
  constructor(words, spotting, changed) {
    this.own = words.map((word) => ownValue(spotting.thresholds, word) ?? spotting.threshold);
    this.common = spotting.threshold;
    this.changed = changed;
    this.values = [...this.own];
    this.all = this.slider("All words", (value) => this.set(words.map(() => value), value));
    at("all").replaceChildren(this.all.row);
    this.each = words.map((word, index) =>
      this.slider(word, (value) => this.set(this.values.map((old, at) => (at === index ? value : old)))),
    );
    at("thresholds").replaceChildren(...this.each.map((slider) => slider.row));
    at("reset").onclick = () => this.set([...this.own], this.common);
    this.refresh(this.common);
  }

  set(values, common = null) {
    this.values = values;
    this.refresh(common);
    this.changed(values);
  }

  /** Show the values; the slider of all words stays where it is, unless it has a value. */
  refresh(common) {
    this.each.forEach((slider, index) => slider.show(this.values[index], this.own[index]));
    if (common !== null) this.all.show(common, this.common);
    at("reset").disabled = this.values.every((value, index) => value === this.own[index]);
  }

  slider(name, moved) {
    const row = document.createElement("div");
    row.className = "slider";
    const label = document.createElement("label");
    label.textContent = name;
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: "0.01", max: "1", step: "0.01" });
    const output = document.createElement("output");
    input.id = `threshold-${name}`;
    label.htmlFor = output.htmlFor = input.id;
    input.oninput = () => moved(Number(input.value));
    row.append(label, input, output);
    const show = (value, own) => {
      input.value = value;
      output.textContent = value.toFixed(2);
      row.classList.toggle("moved", value !== own);
    };
    return { row, show };
  }
}
