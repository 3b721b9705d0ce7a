/** Draw the history of a stream: waveform, spectrogram, and the posterior of each word. */

import { COLUMNS_PER_SECOND, N_BANDS } from "./history.js";

const NARROW = 560; // width in CSS pixels below which the page is that of a phone
const TIMES = 20; // height of the row of times
const FLASH_SECONDS = 1.5; // for which the name of a detected word stands out

/** Return the colours of the style sheet, for light or dark. */
function themeOf() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["card", "ink", "soft", "faint", "line", "first", "second", "cool", "warm"];
  return Object.fromEntries(names.map((name) => [name, colour(name)]));
}

function channels(hex) {
  const digits = hex.length === 4 ? [...hex.slice(1)].map((digit) => digit + digit).join("") : hex.slice(1);
  return [0, 2, 4].map((place) => parseInt(digits.slice(place, place + 2), 16));
}

/** Return 256 colours along some, as the bytes of pixels. */
function ramp(colours) {
  const stops = colours.map(channels);
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (stops.length - 1);
    const stop = Math.min(stops.length - 2, Math.floor(place));
    return stops[stop].map((from, channel) => from + (place - stop) * (stops[stop + 1][channel] - from));
  });
}

/** A canvas at the resolution of the screen. */
class Panel {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.image = document.createElement("canvas");
  }

  /** Clear it, and return its size in CSS pixels. */
  clear() {
    const { canvas, context } = this;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return { width, height };
  }

  /** Draw rows of levels, the first row below (or above), stretched into a rectangle. */
  drawLevels(levels, place, span, nRows, colours, [x, y, width, height], { isUp, isSmooth }) {
    const { image } = this;
    const nColumns = span.end - span.begin;
    if (nColumns <= 0) return;
    if (image.width !== nColumns || image.height !== nRows) {
      image.width = nColumns;
      image.height = nRows;
    }
    const pixels = new ImageData(nColumns, nRows);
    for (let column = 0; column < nColumns; column++) {
      const begin = place(span.begin + column) * nRows;
      for (let row = 0; row < nRows; row++) {
        const [red, green, blue] = colours[levels[begin + row]];
        const at = 4 * ((isUp ? nRows - 1 - row : row) * nColumns + column);
        pixels.data[at] = red;
        pixels.data[at + 1] = green;
        pixels.data[at + 2] = blue;
        pixels.data[at + 3] = 255;
      }
    }
    image.getContext("2d").putImageData(pixels, 0, 0);
    this.context.imageSmoothingEnabled = isSmooth;
    this.context.drawImage(image, x, y, width, height);
  }
}

export class Pictures {
  /**
   * @param {object} canvases the elements `wave`, `spectrum` and `scores`.
   * @param {History} history
   * @param {string[]} words
   */
  constructor(canvases, history, words) {
    this.history = history;
    this.words = words;
    this.wave = new Panel(canvases.wave);
    this.spectrum = new Panel(canvases.spectrum);
    this.scores = new Panel(canvases.scores);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.useTheme());
    this.useTheme();
    this.layOut();
    new ResizeObserver(() => this.layOut()).observe(canvases.wave);
  }

  useTheme() {
    this.theme = themeOf();
    const { card, cool, first, warm } = this.theme;
    this.spectrumColours = ramp([card, cool, first, warm]);
    this.scoreColours = ramp([card, first]);
    this.isStale = true;
  }

  layOut() {
    const isNarrow = this.wave.canvas.clientWidth < NARROW;
    this.seconds = isNarrow ? 5 : 10;
    this.gutter = isNarrow ? 78 : 104;
    this.rowHeight = this.words.length > 12 ? 15 : 20;
    this.scores.canvas.style.height = `${this.words.length * this.rowHeight + TIMES}px`;
    this.isStale = true;
  }

  /**
   * Draw the seconds before `edge`.
   * @param {number} edge time of the right side.
   * @param {object[]} detections {word, start, end, confidence}.
   * @param {string[]} pending words that are being spoken.
   */
  draw(edge, detections, pending) {
    this.left = edge - this.seconds;
    this.edge = edge;
    const shown = detections.filter((one) => one.end > this.left && one.start < edge);
    this.drawWave(shown);
    this.drawSpectrum();
    this.drawScores(shown, pending);
    this.isStale = false;
  }

  /** Return what is visible of columns up to `end`, with its rectangle between y and y + height. */
  visible(end, width, y, height) {
    const { history } = this;
    const begin = Math.max(Math.floor(this.left * COLUMNS_PER_SECOND), history.begin * COLUMNS_PER_SECOND, 0);
    const span = { begin, end: Math.min(end, Math.ceil(this.edge * COLUMNS_PER_SECOND)) };
    const perColumn = this.perSecond(width) / COLUMNS_PER_SECOND;
    const x = this.x(begin / COLUMNS_PER_SECOND, width);
    return { span, rectangle: [x, y, (span.end - begin) * perColumn, height] };
  }

  perSecond(width) {
    return (width - this.gutter) / this.seconds;
  }

  x(time, width) {
    return this.gutter + (time - this.left) * this.perSecond(width);
  }

  /** Keep what is drawn right of the names. */
  clip(context, width, height) {
    context.save();
    context.beginPath();
    context.rect(this.gutter, 0, width - this.gutter, height);
    context.clip();
  }

  drawWave(detections) {
    const { context } = this.wave;
    const { history, theme } = this;
    const { width, height } = this.wave.clear();
    const top = 20;
    const middle = (top + height) / 2;
    const half = (height - top) / 2 - 1;
    this.label(context, "waveform", middle);
    this.clip(context, width, height);
    this.markWords(context, width, height, detections);
    context.fillStyle = theme.line;
    context.fillRect(this.gutter, middle, width, 1);
    context.fillStyle = theme.first;
    const { span, rectangle } = this.visible(history.nColumns, width, 0, 0);
    const perColumn = this.perSecond(width) / COLUMNS_PER_SECOND;
    for (let column = span.begin; column < span.end; column++) {
      const place = history.place(column);
      const [low, high] = [history.low[place], history.high[place]];
      const x = rectangle[0] + (column - span.begin) * perColumn;
      const tall = Math.max(1, (high - low) * half);
      context.fillRect(x, middle - Math.max(high * half, 0.5), Math.max(perColumn, 1), tall);
    }
    context.restore();
  }

  /** Shade the detected words, and write each above its place. */
  markWords(context, width, height, detections) {
    const { theme } = this;
    context.textBaseline = "top";
    context.textAlign = "center";
    context.font = "600 13px system-ui, sans-serif";
    for (const { word, start, end } of detections) {
      const [x, right] = [this.x(start, width), this.x(end, width)];
      context.globalAlpha = 0.18;
      context.fillStyle = theme.second;
      context.fillRect(x, 0, Math.max(2, right - x), height);
      context.globalAlpha = 1;
      context.fillText(word, (x + right) / 2, 3);
    }
  }

  drawSpectrum() {
    const { context } = this.spectrum;
    const { history, theme } = this;
    const { width, height: whole } = this.spectrum.clear();
    const height = whole - TIMES;
    this.label(context, `0–${history.rate / 2000} kHz`, height / 2);
    this.clip(context, width, whole);
    this.drawTimes(context, width, height);
    const { span, rectangle } = this.visible(history.nColumns, width, 0, height);
    const place = (column) => history.place(column);
    const options = { isUp: true, isSmooth: true };
    this.spectrum.drawLevels(history.levels, place, span, N_BANDS, this.spectrumColours, rectangle, options);
    context.restore();
    context.strokeStyle = theme.line;
    context.strokeRect(this.gutter + 0.5, 0.5, width - this.gutter - 1, height - 1);
  }

  drawScores(detections, pending) {
    const { context } = this.scores;
    const { history, theme, words, rowHeight } = this;
    const { width, height } = this.scores.clear();
    const tall = words.length * rowHeight;
    const recent = detections.filter((one) => one.end > this.edge - FLASH_SECONDS);
    words.forEach((word, row) => {
      const isUp = pending.includes(word) || recent.some((one) => one.word === word);
      this.label(context, word, (row + 0.5) * rowHeight, isUp);
    });
    this.clip(context, width, height);
    const { span, rectangle } = this.visible(history.nScored, width, 0, tall);
    const place = (column) => history.place(column);
    const options = { isUp: false, isSmooth: false };
    this.scores.drawLevels(history.scores, place, span, words.length, this.scoreColours, rectangle, options);
    context.fillStyle = theme.line;
    for (let row = 0; row <= words.length; row++) {
      context.fillRect(this.gutter, row * rowHeight, width, 1);
    }
    for (const { word, start, end } of detections) {
      const [x, right] = [this.x(start, width), this.x(end, width)];
      context.strokeStyle = theme.second;
      context.lineWidth = 2;
      context.strokeRect(x, words.indexOf(word) * rowHeight + 1, Math.max(4, right - x), rowHeight - 1);
    }
    this.drawTimes(context, width, tall);
    context.restore();
  }

  /** Write the seconds below. */
  drawTimes(context, width, y) {
    context.fillStyle = this.theme.soft;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "top";
    for (let second = Math.max(0, Math.ceil(this.left)); second <= this.edge; second++) {
      const x = this.x(second, width);
      const isWhole = x > this.gutter + 14 && x < width - 14;
      if (isWhole) context.fillText(clock(second), x, y + 6);
    }
  }

  label(context, text, y, isUp = false) {
    context.font = `${isUp ? "600 " : ""}12px system-ui, sans-serif`;
    context.fillStyle = isUp ? this.theme.second : this.theme.soft;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(text, this.gutter - 8, y, this.gutter - 10);
  }
}

/** Write whole seconds as m:ss. */
export function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
