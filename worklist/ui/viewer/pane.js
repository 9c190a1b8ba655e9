/** One picture on the screen: which image of which stack, how it is looked at, and the drawing of it. */
import { signal } from "../core/html.js";
import { draw as drawMeasures } from "./measure.js";
import { Frames } from "./frames.js";
import { parallel } from "./geometry.js";
import { Painter, modality } from "./lut.js";
import { drawOverlays } from "./overlay.js";

const AHEAD = 12; // frames fetched in the direction of scrolling before all others

let made = 0;

export class Pane {
  id = ++made;
  series = signal(null); // what is shown: {uid, images, dataset, kind, …}
  index = signal(0);
  window = signal(null); // {center, width, shape}; null: the image's lookup table
  invert = signal(false);
  zoom = signal(1); // 1: the whole image is in sight
  playing = signal(false);
  loaded = signal(0); // changes when a frame of this stack has arrived
  offset = { x: 0, y: 0 };
  measures = new Map(); // image key → measurements
  #canvas = null;
  #sheet = document.createElement("canvas");
  #painter = new Painter();
  #direction = 1;
  #drawn = 0;
  #tables = new Map();
  #preset = "default";

  constructor(frames) {
    this.frames = frames;
  }

  get image() {
    return this.series.value?.images[this.index.value];
  }

  get images() {
    return this.series.value?.images ?? [];
  }

  /** What there is to scroll through: images, or the objects of a series that has none. */
  get count() {
    return this.images.length || (this.series.value?.datasets.length ?? 0);
  }

  attach(canvas) {
    this.#canvas = canvas;
    const watch = new ResizeObserver(() => this.draw());
    watch.observe(canvas);
    return () => (watch.disconnect(), (this.#canvas = null));
  }

  show(series, index = series?.images.length > 2 && !series.cine ? Math.floor((series.images.length - 1) / 2) : 0) {
    this.series.value = series;
    this.index.value = Math.max(0, Math.min(index, this.images.length - 1));
    this.playing.value = false;
    this.#tables = new Map();
    this.reset();
    this.#fetch();
  }

  reset() {
    this.zoom.value = 1;
    this.offset = { x: 0, y: 0 };
    this.invert.value = false;
    this.preset("default");
  }

  /** To another image; false when it was there already. */
  to(index) {
    const next = Math.max(0, Math.min(this.count - 1, index));
    if (next === this.index.value) return false;
    this.#direction = next > this.index.value ? 1 : -1;
    this.index.value = next;
    this.#fetch();
    this.redraw();
    return true;
  }

  by = (step) => this.to(this.index.value + step);

  /** The one in sight, those ahead, and then all others from near to far. */
  #fetch() {
    const { images } = this;
    const at = this.index.value;
    const wanted = images.length ? [images[at]] : [];
    for (let step = 1; step <= AHEAD; step++) wanted.push(images[at + step * this.#direction]);
    for (let step = 1; step < images.length; step++) {
      wanted.push(images[at - step * this.#direction]);
      if (step > AHEAD) wanted.push(images[at + step * this.#direction]);
    }
    const room = images.length ? Frames.room(images[at]) : 0;
    this.frames.want(this, wanted.filter(Boolean).slice(0, room));
  }

  /** The place in this stack that lies nearest to an image of another one. */
  follow(image, step) {
    const own = this.image;
    if (!own) return;
    const same = image.frameOfReference && image.frameOfReference === own.frameOfReference;
    if (!same || !parallel(image.normal, own.normal) || image.depth === undefined) return void this.by(step);
    const sign = own.normal[0] * image.normal[0] + own.normal[1] * image.normal[1] + own.normal[2] * image.normal[2];
    const depth = sign < 0 ? -image.depth : image.depth;
    let best = 0;
    this.images.forEach((each, index) => {
      if (Math.abs(each.depth - depth) < Math.abs(this.images[best].depth - depth)) best = index;
    });
    this.to(best);
  }

  arrived(image) {
    if (!this.images.includes(image)) return;
    this.loaded.value += 1;
    if (image === this.image) this.redraw();
  }

  /** "default", "full", or a window. */
  preset(preset) {
    this.#preset = preset;
    this.window.value = typeof preset === "object" ? preset : null;
    this.redraw();
  }

  adjustWindow(dx, dy) {
    const frame = this.image && this.frames.get(this.image);
    if (!frame?.samples) return;
    const now = this.shownWindow;
    const step = Math.max(now.width / 300, (frame.max - frame.min) * Math.abs(this.image.rescale.slope) / 4000);
    const least = frame.samples instanceof Float32Array ? 1e-6 : 1;
    this.window.value = { shape: "LINEAR", ...now, width: Math.max(least, now.width + dx * step), center: now.center + dy * step };
    this.redraw();
  }

  /** The window in force; the full range where there is none. */
  get shownWindow() {
    if (this.window.value) return this.window.value;
    const { image } = this;
    const frame = image && this.frames.get(image);
    if (this.#preset === "default" && image?.windows[0]) return image.windows[0];
    if (!frame?.samples) return { center: 0, width: 0 };
    const toModality = modality(image.rescale, this.#tables.get(image.key)?.modality);
    const [least, most] = image.displayRange ?? [frame.low, frame.high];
    const [low, high] = [toModality(least), toModality(most)].sort((a, b) => a - b);
    return { center: (low + high) / 2, width: high - low, shape: "LINEAR_EXACT" };
  }

  redraw() {
    if (this.#drawn) return;
    this.#drawn = requestAnimationFrame(() => {
      this.#drawn = 0;
      this.draw();
    });
  }

  /** Pixels of the canvas a pixel of the image takes, across and down. */
  get scale() {
    const { image } = this;
    const canvas = this.#canvas;
    const fit = Math.min(canvas.width / image.columns, canvas.height / (image.rows * image.aspect));
    return { x: fit * this.zoom.value, y: fit * this.zoom.value * image.aspect };
  }

  get #ratio() {
    return this.#canvas.width / Math.max(1, this.#canvas.clientWidth);
  }

  toScreen = ([column, row]) => {
    const { x, y } = this.scale;
    const { image } = this;
    const ratio = this.#ratio;
    return [
      ((column - image.columns / 2) * x + this.#canvas.width / 2) / ratio + this.offset.x,
      ((row - image.rows / 2) * y + this.#canvas.height / 2) / ratio + this.offset.y,
    ];
  };

  toImage = (left, top) => {
    const { x, y } = this.scale;
    const { image } = this;
    const ratio = this.#ratio;
    return [
      ((left - this.offset.x) * ratio - this.#canvas.width / 2) / x + image.columns / 2,
      ((top - this.offset.y) * ratio - this.#canvas.height / 2) / y + image.rows / 2,
    ];
  };

  /** Millimetres that a pixel of the screen shows, across; undefined when nobody knows. */
  get millimetresPerPixel() {
    if (!this.image?.spacing || !this.#canvas) return undefined;
    return (this.image.spacing.column * this.#ratio) / this.scale.x;
  }

  zoomBy(factor, left, top) {
    if (!this.image || !this.#canvas) return;
    const before = this.toImage(left ?? this.#canvas.clientWidth / 2, top ?? this.#canvas.clientHeight / 2);
    const [x, y] = this.toScreen(before);
    this.zoom.value = Math.max(0.1, Math.min(40, this.zoom.value * factor));
    const [nx, ny] = this.toScreen(before);
    this.offset = { x: this.offset.x + x - nx, y: this.offset.y + y - ny };
    this.redraw();
  }

  panBy(dx, dy) {
    this.offset = { x: this.offset.x + dx, y: this.offset.y + dy };
    this.redraw();
  }

  draw() {
    const canvas = this.#canvas;
    if (!canvas) return;
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const { image } = this;
    const frame = image && this.frames.get(image);
    canvas.dataset.image = frame ? image.key : "";
    if (!frame || !this.#develop(image, frame)) return;
    const { x, y } = this.scale;
    context.imageSmoothingEnabled = Math.min(x, y) < 4;
    context.imageSmoothingQuality = "high";
    context.setTransform(x, 0, 0, y, width / 2 + this.offset.x * ratio, height / 2 + this.offset.y * ratio);
    context.drawImage(this.#sheet, -image.columns / 2, -image.rows / 2, image.columns, image.rows);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawMeasures(context, image, this.measures.get(image.key) ?? [], this.toScreen);
    this.#drawScale(context);
  }

  /** The frame under the look in force, on a sheet of its own size; false while its tables are on their way. */
  #develop(image, frame) {
    const sheet = this.#sheet;
    const [width, height] = [image.columns, image.rows];
    if (sheet.width !== width || sheet.height !== height) Object.assign(sheet, { width, height });
    const context = sheet.getContext("2d", { alpha: false });
    const data = context.createImageData(width, height);
    const pixels = new Uint32Array(data.data.buffer);
    const tables = this.#tablesOf(image);
    if (tables === null) return false;
    if (frame.rgba) {
      data.data.set(frame.rgba);
      if (this.invert.value) for (let at = 0; at < data.data.length; at++) if ((at & 3) !== 3) data.data[at] = 255 - data.data[at];
    } else {
      const ownTable = this.#preset === "default" && !this.window.value && !image.windows[0] && tables.voi;
      this.#painter.paint(pixels, frame, {
        key: tables.modality || tables.supplemental || ownTable ? image.key : "",
        rescale: image.rescale,
        tables,
        window: ownTable ? null : this.shownWindow,
        invert: image.inverse !== this.invert.value,
      });
    }
    drawOverlays(pixels, width, height, [...(tables.overlays ?? []), ...(frame.overlays ?? [])]);
    context.putImageData(data, 0, 0);
    return true;
  }

  #tablesOf(image) {
    const known = this.#tables.get(image.key);
    if (known !== undefined) return known;
    this.#tables.set(image.key, null);
    const got = (tables) => {
      this.#tables.set(image.key, tables);
      if (image === this.image) this.redraw();
    };
    image.tables().then(got, () => got({}));
    return null;
  }

  #drawScale(context) {
    const size = this.millimetresPerPixel;
    if (!size) return;
    const most = Math.min(this.#canvas.clientHeight * 0.4, 240) * size;
    const length = [1, 2, 5, 10, 20, 50, 100, 200].filter((each) => each <= most).pop();
    if (!length) return;
    const tall = length / size;
    const x = this.#canvas.clientWidth - 20;
    const top = (this.#canvas.clientHeight - tall) / 2;
    context.strokeStyle = context.fillStyle = "#a7b0bd";
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, top + tall);
    for (let tick = 0; tick <= 10; tick++) {
      const y = top + (tall * tick) / 10;
      context.moveTo(x, y);
      context.lineTo(x - (tick % 5 ? 4 : 8), y);
    }
    context.stroke();
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.fillText(length >= 10 ? `${length / 10} cm` : `${length} mm`, x - 10, top + tall + 4);
    context.textAlign = "left";
  }
}
