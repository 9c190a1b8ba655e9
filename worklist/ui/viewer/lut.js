/** From stored values to gray levels (PS3.3 §C.11.1, §C.11.2; PS3.4 §N.2), as one table a look. */

/** A window function of PS3.3 §C.11.2.1: value → 0 to 255. */
export function windowing({ center, width, shape = "LINEAR" }) {
  if (width <= 0) return (value) => (value > center ? 255 : 0);
  if (shape === "SIGMOID") return (value) => 255 / (1 + Math.exp((-4 * (value - center)) / width));
  const exact = shape === "LINEAR_EXACT";
  const half = exact ? width / 2 : (width - 1) / 2;
  const middle = exact ? center : center - 0.5;
  const low = middle - half;
  const span = Math.max(2 * half, 1e-9);
  return (value) => (value <= low ? 0 : value > middle + half ? 255 : ((value - low) / span) * 255);
}

const within = ({ first, values }) => (value) => values[Math.max(0, Math.min(values.length - 1, Math.round(value) - first))];

/** Stored value → value that windows are meant for. */
export const modality = (rescale, table) =>
  table ? within(table) : (value) => value * rescale.slope + rescale.intercept;

function gray(look) {
  const toModality = modality(look.rescale, look.tables?.modality);
  let toGray;
  if (look.window) {
    toGray = windowing(look.window);
  } else {
    const { bits, values } = look.tables.voi;
    const most = values.reduce((high, each) => Math.max(high, each), 2 ** Math.min(bits || 8, 16) - 1);
    const lookup = within(look.tables.voi);
    toGray = (value) => (lookup(value) / most) * 255;
  }
  const turn = look.invert ? (level) => 255 - level : (level) => level;
  return (value) => turn(toGray(toModality(value)));
}

const pixel = (level) => {
  const gray = Math.max(0, Math.min(255, Math.round(level)));
  return 0xff000000 | (gray << 16) | (gray << 8) | gray;
};

const colour = ({ first, channels }, value) => {
  const [red, green, blue] = channels.map((each) => each[Math.min(each.length - 1, value - first)]);
  return 0xff000000 | (blue << 16) | (green << 8) | red;
};

/** Stored value → what is shown: gray, or a colour where a supplemental palette has one. */
function shade(look) {
  const level = gray(look);
  const colours = look.tables?.supplemental;
  return colours ? (value) => (value >= colours.first ? colour(colours, value) : pixel(level(value))) : (value) => pixel(level(value));
}

/** Fills `target` (a Uint32Array over RGBA) with a gray frame under a look; the table of the last look is kept. */
export class Painter {
  #look = "";
  #table;
  #first = 0;

  paint(target, { samples, min, max }, look) {
    const shown = shade(look);
    if (samples instanceof Float32Array || max - min > 0x1ffff) {
      for (let at = 0; at < samples.length; at++) target[at] = shown(samples[at]);
      return;
    }
    this.#prepare(look, shown, min, max);
    const table = this.#table;
    const first = this.#first;
    for (let at = 0; at < samples.length; at++) target[at] = table[samples[at] - first];
  }

  /** For whole ranges of values, so that the next image of the stack finds it ready. */
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
