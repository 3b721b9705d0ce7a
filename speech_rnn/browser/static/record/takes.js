/** The list of takes: each can be played and deleted. */

import { asked } from "../resources.js";

const addressOf = ({ file }) => `record/takes/${file.split("/").map(encodeURIComponent).join("/")}`;

function button(text, label, onclick) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: "quiet", textContent: text, onclick });
  made.setAttribute("aria-label", label);
  return made;
}

export class TakeList {
  /**
   * @param {object} elements the list and the player.
   * @param {object} actions `onMore(word)` and `onDelete(address)`, and `onFailed(error)`.
   */
  constructor({ list, player }, actions) {
    Object.assign(this, { list, player, actions });
  }

  /** Show the takes of each word. */
  show(words, takes) {
    const isOpen = new Set([...this.list.children].filter((one) => one.open).map((one) => one.dataset.word));
    this.list.replaceChildren(
      ...words.map(({ word }) => {
        const own = takes.filter((take) => take.word === word);
        const part = document.createElement("details");
        part.dataset.word = word;
        part.open = isOpen.has(word);
        const title = document.createElement("summary");
        title.textContent = `${word}: ${own.length}`;
        const rows = document.createElement("ul");
        rows.append(...own.map((take, index) => this.row(take, index + 1)));
        const more = button("Record one more", `Record one more of ${word}`, () => this.actions.onMore(word));
        part.append(title, rows, more);
        return part;
      }),
    );
  }

  row(take, number) {
    const row = document.createElement("li");
    row.dataset.file = take.file;
    const text = document.createElement("span");
    text.textContent = `${take.speaker}, ${take.room}, ${take.level_db.toFixed(0)} dB`;
    if (take.clipped) {
      const bad = document.createElement("b");
      bad.className = "bad";
      bad.textContent = ", clipped";
      text.append(bad);
    }
    const name = `take ${number} of ${take.word}`;
    row.append(
      text,
      button("Play", `Play ${name}`, () => this.play(take)),
      button("Delete", `Delete ${name}`, () => this.actions.onDelete(addressOf(take))),
    );
    return row;
  }

  async play(take) {
    try {
      const answer = await asked(addressOf(take));
      URL.revokeObjectURL(this.player.src);
      this.player.src = URL.createObjectURL(await answer.blob());
      this.player.hidden = false;
      await this.player.play();
    } catch (error) {
      this.actions.onFailed(error);
    }
  }
}
