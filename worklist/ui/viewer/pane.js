/** One picture on the screen: which image of which stack, how it is displayed, and its drawing. */
import { batch, signal } from "../core/html.js";
import { text } from "../dicom/dataset.js";
import { Developer, windowOf } from "./develop.js";
import { draw as drawMeasures } from "./measure.js";
import { Frames, fromHere } from "./frames.js";
import { dot, parallel } from "./geometry.js";
import { scaleOf } from "./regions.js";
import { drawScale } from "./scalebar.js";

let made = 0;

/** Whether images lie apart from each other, so that one of them can be near to a place. */
const reaches = (images) => images.every(({ depth }) => depth !== undefined) && images[0].depth !== images.at(-1).depth;

export class Pane {
  id = ++made;
  series = signal(null); // what is shown: {uid, images, dataset, kind, …}
  index = signal(0);
  window = signal(null); // {center, width, shape}; null: as sent
  invert = signal(false);
  zoom = signal(1); // 1: the whole image is visible
  playing = signal(false);
  coming = signal(false); // whether another series is loading
  loaded = signal(0); // changes when a frame of this stack has arrived
  hung = signal(undefined); // {mirrored, edge}: a breast beside the other one
  offset = { x: 0, y: 0 };
  measures = new Map(); // image key → measurements
  #canvas = null;
  #sheet = document.createElement("canvas");
  #developer = new Developer();
  #direction = 1;
  #drawn = 0;
  #tables = new Map();
  #preset = "default";
  #tie = null; // to a stack in other coordinates: {offset, other, own}, the images being those that it was used for last

  constructor(frames) {
    this.frames = frames;
  }

  get image() {
    return this.series.value?.images[this.index.value];
  }

  get images() {
    return this.series.value?.images ?? [];
  }

  /** What can be scrolled through: the images, or the objects of a series without images. */
  get count() {
    return this.images.length || (this.series.value?.datasets.length ?? 0);
  }

  attach(canvas) {
    this.#canvas = canvas;
    const watch = new ResizeObserver(() => this.draw());
    watch.observe(canvas);
    return () => (watch.disconnect(), (this.#canvas = null));
  }

  /** Shows a series from its middle, a video from its beginning; one that was partly known stays as it is. */
  show(series) {
    const { length } = series?.images ?? [];
    const known = this.series.value;
    const seen = known?.partial && known.id === series?.id ? this.#place(this.image, series) : -1;
    batch(() => {
      this.coming.value = false;
      this.series.value = series;
      this.index.value = seen >= 0 ? seen : length > 2 && !series.cine ? Math.floor((length - 1) / 2) : 0;
    });
    if (seen >= 0) return this.#fetch();
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

  /** Goes to another image; false if it was already there. */
  to(index) {
    const next = Math.max(0, Math.min(this.count - 1, index));
    if (next === this.index.value) return false;
    this.#direction = next > this.index.value ? 1 : -1;
    this.index.value = next;
    this.#fetch();
    this.redraw();
    return true;
  }

  /** Goes to the first image of an instance. */
  toInstance(sop) {
    const found = this.images.findIndex((image) => text(image.dataset, "SOPInstanceUID") === sop);
    if (found >= 0) this.to(found);
  }

  by = (step) => this.to(this.index.value + step);

  #fetch() {
    const wanted = fromHere(this.images, this.index.value, this.#direction);
    this.frames.want(this, wanted.slice(0, wanted.length && Frames.room(wanted[0])));
  }

  /** Goes with another stack to the same place, or as many millimetres where their coordinate systems differ. */
  follow(image, before, step) {
    const own = this.image;
    if (!own) return;
    if (!parallel(image.normal, own.normal) || !reaches([before, image]) || !reaches(this.images)) return void this.by(step);
    const sign = dot(own.normal, image.normal) < 0 ? -1 : 1;
    const same = image.frameOfReference && image.frameOfReference === own.frameOfReference;
    if (this.#tie?.other !== before || this.#tie.own !== own) this.#tie = { offset: own.depth - sign * before.depth };
    const depth = sign * image.depth + (same ? 0 : this.#tie.offset);
    let best = 0;
    this.images.forEach((each, index) => {
      if (Math.abs(each.depth - depth) < Math.abs(this.images[best].depth - depth)) best = index;
    });
    this.to(best);
    Object.assign(this.#tie, { other: image, own: this.image });
  }

  /** Whether what is to be shown is still loading. */
  get isWaiting() {
    const { image } = this;
    return this.coming.value || Boolean(image && !this.frames.has(image) && !this.frames.problem(image));
  }

  /** Starts or stops playing. */
  play() {
    this.playing.value = !this.playing.value && this.images.length > 1;
  }

  /** Tries again what could not be fetched for a reason that may have passed. */
  retry() {
    this.frames.retry();
    this.loaded.value += 1;
  }

  #place = ({ key }, { images }) => images.findIndex((each) => each.key === key);

  arrived(image) {
    if (!this.series.value || this.#place(image, this.series.value) < 0) return;
    this.loaded.value += 1;
    if (image.key === this.image.key) this.redraw();
  }

  /** "default", "full", or a window. */
  preset(preset) {
    this.#preset = preset;
    this.window.value = typeof preset === "object" ? preset : null;
    this.redraw();
  }

  adjustWindow(dx, dy) {
    const now = this.shownWindow;
    if (!now) return;
    const frame = this.frames.get(this.image);
    const slope = Math.abs(this.image.rescale.slope);
    const step = Math.max(now.width / 300, ((frame.max - frame.min) * slope) / 4000);
    const least = frame.samples instanceof Float32Array || frame.samples instanceof Float64Array ? 1e-6 : Math.min(1, slope);
    this.window.value = { ...now, width: Math.max(least, now.width + dx * step), center: now.center + dy * step };
    this.redraw();
  }

  /** The current window; in place of a table, the range of the values. Undefined while it is unknown. */
  get shownWindow() {
    const { image } = this;
    const frame = image && this.frames.get(image);
    const tables = image && this.#tables.get(image.key);
    if (!frame?.samples || !tables) return undefined;
    return windowOf(image, frame, tables, this.window.value, this.#preset === "full");
  }

  /** The name of the table that was sent, if it is in use. */
  get shownTable() {
    const { table, called } = (this.image && this.#tables.get(this.image.key))?.voi ?? {};
    return table && !this.window.value && this.#preset === "default" ? called || "VOI LUT" : undefined;
  }

  redraw() {
    if (this.#drawn) return;
    this.#drawn = requestAnimationFrame(() => {
      this.#drawn = 0;
      this.draw();
    });
  }

  /** Canvas pixels for each image pixel, across and down. */
  get scale() {
    const { image } = this;
    const canvas = this.#canvas;
    const fit = Math.min(canvas.width / image.columns, canvas.height / (image.rows * image.aspect));
    return { x: fit * this.zoom.value, y: fit * this.zoom.value * image.aspect };
  }

  get #ratio() {
    return this.#canvas.width / Math.max(1, this.#canvas.clientWidth);
  }

  get #sign() {
    return this.hung.value?.mirrored ? -1 : 1;
  }

  /** Where the middle of the image is across the canvas, before it is moved. */
  get #middle() {
    const room = this.#canvas.width - (this.scale.x / this.zoom.value) * this.image.columns;
    return (this.#canvas.width + (this.hung.value?.edge ?? 0) * room) / 2;
  }

  toScreen = ([column, row]) => {
    const { x, y } = this.scale;
    const { image } = this;
    const ratio = this.#ratio;
    return [
      ((column - image.columns / 2) * x * this.#sign + this.#middle) / ratio + this.offset.x,
      ((row - image.rows / 2) * y + this.#canvas.height / 2) / ratio + this.offset.y,
    ];
  };

  toImage = (left, top) => {
    const { x, y } = this.scale;
    const { image } = this;
    const ratio = this.#ratio;
    return [
      (((left - this.offset.x) * ratio - this.#middle) / x) * this.#sign + image.columns / 2,
      ((top - this.offset.y) * ratio - this.#canvas.height / 2) / y + image.rows / 2,
    ];
  };

  /** Millimetres for each screen pixel, across; undefined if unknown. */
  get millimetresPerPixel() {
    const known = this.image && this.#canvas && scaleOf(this.image);
    return known && (known.column * this.#ratio) / this.scale.x;
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
    const developed = Boolean(frame) && this.#develop(image, frame);
    canvas.dataset.image = developed ? image.key : "";
    if (!developed) return;
    const { x, y } = this.scale;
    context.imageSmoothingEnabled = Math.min(x, y) < 4;
    context.imageSmoothingQuality = "high";
    context.setTransform(x * this.#sign, 0, 0, y, this.#middle + this.offset.x * ratio, height / 2 + this.offset.y * ratio);
    context.drawImage(this.#sheet, -image.columns / 2, -image.rows / 2, image.columns, image.rows);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawMeasures(context, image, this.measures.get(image.key) ?? [], this.toScreen);
    const millimetres = this.millimetresPerPixel;
    if (millimetres) drawScale(context, millimetres, canvas.clientWidth, canvas.clientHeight);
  }

  /** Draws the frame with the current look on a canvas of its own size; false while its tables load. */
  #develop(image, frame) {
    const sheet = this.#sheet;
    const [width, height] = [image.columns, image.rows];
    if (sheet.width !== width || sheet.height !== height) Object.assign(sheet, { width, height });
    const context = sheet.getContext("2d", { alpha: false });
    const data = context.createImageData(width, height);
    const pixels = new Uint32Array(data.data.buffer);
    const tables = this.#tablesOf(image);
    if (tables === null) return false;
    this.#developer.develop(pixels, image, frame, tables, {
      window: this.window.value,
      full: this.#preset === "full",
      invert: this.invert.value,
    });
    context.putImageData(data, 0, 0);
    return true;
  }

  #tablesOf(image) {
    const known = this.#tables.get(image.key);
    if (known !== undefined) return known;
    this.#tables.set(image.key, null);
    const got = (tables) => {
      this.#tables.set(image.key, tables);
      this.arrived(image);
    };
    image.tables().then(got, () => got({}));
    return null;
  }
}
