/** From stored values to gray levels (PS3.3 §C.11; PS3.4 §N.2), as on the server, with one table for each look. */

/**
 * A window function of PS3.3 §C.11.2.1: value → 0 to 255; with zero width, a threshold. LINEAR counts whole steps,
 * which floating point does not have; for that, and for windows narrower than a step, LINEAR_EXACT is used.
 */
export function windowing({ center, width, shape = "LINEAR" }, isFloat = false) {
  if (shape === "LINEAR" && !isFloat && !(width > 0 && width < 1)) {
    center -= 0.5;
    width -= 1;
  }
  if (width <= 0) return (value) => (value > center ? 255 : 0);
  if (shape === "SIGMOID") return (value) => 255 / (1 + Math.exp((-4 * (value - center)) / width));
  return (value) => Math.max(0, Math.min(1, (value - center) / width + 0.5)) * 255;
}

/** Inputs outside get the first or the last entry, NaN the first. */
const within = ({ first, values }) => (value) => values[Math.floor(Math.max(0, Math.min(values.length - 1, value - first))) || 0];

/** Stored value → value that windows apply to. */
export const modality = (rescale, table) =>
  table ? within(table) : (value) => value * rescale.slope + rescale.intercept;

const isFloat = ({ samples }) => samples instanceof Float32Array || samples instanceof Float64Array;

/** The window that fits the values: the whole range of 8-bit and 1-bit images, else all that occurs except padding. */
export function naturalWindow(image, frame, tables) {
  const [low, high] = extent(image, frame, tables?.modality);
  return { center: low / 2 + high / 2, width: Math.min(high - low, Number.MAX_VALUE), shape: "LINEAR_EXACT" };
}

const extents = new WeakMap(); // of frames whose values pass through a table, which may reverse their order

function extent(image, frame, table) {
  const toModality = modality(image.rescale, table);
  const range = image.displayRange(frame) ?? [frame.low, frame.high];
  if (!table) return range.map(toModality).sort((a, b) => a - b);
  if (!extents.has(frame)) extents.set(frame, mapped(toModality, image, frame, range));
  return extents.get(frame);
}

function mapped(toModality, image, frame, [low, high]) {
  const whole = Boolean(image.displayRange(frame));
  const seen = whole ? Array.from({ length: high + 1 }, (_, at) => at) : frame.samples;
  const [from, to] = image.padding;
  const found = [Infinity, -Infinity];
  for (let at = 0; at < seen.length; at++) {
    const value = seen[at];
    if (value < low || value > high || (!whole && value >= from && value <= to)) continue;
    const made = toModality(value);
    if (made < found[0]) found[0] = made;
    if (made > found[1]) found[1] = made;
  }
  return found[0] <= found[1] ? found : [toModality(low), toModality(high)].sort((a, b) => a - b);
}

function gray(look, float) {
  const toModality = modality(look.rescale, look.tables?.modality);
  const toGray = look.window ? windowing(look.window, float) : scaled(look.tables.voi.table);
  const turn = look.invert ? (level) => 255 - level : (level) => level;
  return (value) => turn(toGray(toModality(value)));
}

function scaled(table) {
  const { bits, values } = table;
  const most = bits >= 8 && bits <= 16 ? 2 ** bits - 1 : values.reduce((high, each) => Math.max(high, each), 1);
  const lookup = within(table);
  return (value) => Math.min(lookup(value) / most, 1) * 255;
}

const pixel = (level) => {
  const gray = Math.floor(level + 0.5); // NaN is black
  return 0xff000000 | (gray << 16) | (gray << 8) | gray;
};

const colour = ({ channels }, value) => {
  const [red, green, blue] = channels.map((each) => within(each)(value));
  return 0xff000000 | (blue << 16) | (green << 8) | red;
};

/** Stored value → what is shown: gray, or a colour where a supplemental palette has one. */
function shade(look, float) {
  const level = gray(look, float);
  const colours = look.tables?.supplemental;
  return colours ? (value) => (value >= colours.first ? colour(colours, value) : pixel(level(value))) : (value) => pixel(level(value));
}

/** Fills `target` (a Uint32Array over RGBA) with a gray frame under a look; the table of the last look is kept. */
export class Painter {
  #look = "";
  #table;
  #first = 0;

  /** `look`: {window, rescale, tables, invert, key}; without `window` the table sent. `key` names what `tables` are. */
  paint(target, frame, look) {
    const { samples, min, max } = frame;
    const float = isFloat(frame);
    const shown = shade(look, float);
    if (float || max - min > 0x1ffff) {
      for (let at = 0; at < samples.length; at++) target[at] = shown(samples[at]);
      return;
    }
    this.#prepare(look, shown, min, max);
    const table = this.#table;
    const first = this.#first;
    for (let at = 0; at < samples.length; at++) target[at] = table[samples[at] - first];
  }

  /** For the whole range of values, so that the next image of the stack can use it too. */
  #prepare(look, shown, min, max) {
    const text = JSON.stringify([look.window, look.invert, look.rescale, look.key]);
    const last = this.#table ? this.#first + this.#table.length - 1 : -1;
    if (text === this.#look && min >= this.#first && max <= last) return;
    const first = text === this.#look ? Math.min(min, this.#first) : min;
    const end = text === this.#look ? Math.max(max, last) : max;
    this.#table = Uint32Array.from({ length: end - first + 1 }, (_, at) => shown(first + at));
    this.#first = first;
    this.#look = text;
  }
}
