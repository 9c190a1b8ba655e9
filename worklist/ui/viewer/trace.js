/** One channel on a strip of ECG paper, 250 mm wide: a large square is 5 mm, 0.2 s at 25 mm/s. */
export const SPEED = 25; // millimetres per second
export const WIDTH = 250; // millimetres
export const GAIN = 10; // millimetres per millivolt
const LARGE = 5; // millimetres
const [SHORTEST, TALLEST] = [15, 60]; // millimetres

/** Least and greatest value from one sample to before another; undefined if there are none. */
function rangeOf(value, from, to) {
  let [least, most] = [Infinity, -Infinity];
  for (let index = from; index < to; index++) {
    const here = value(index);
    if (here < least) least = here;
    if (here > most) most = here;
  }
  return least <= most ? [least, most] : undefined;
}

/** {range, gain, middle, tall}, in the channel's unit and millimetres: a voltage too high for the strip has half the gain, and so on. */
export function fit({ value, unit }, from, to) {
  const range = rangeOf(value, from, to) ?? [0, 0];
  const size = range[1] - range[0];
  const halved = 2 ** Math.max(0, Math.ceil(Math.log2((size * GAIN) / (TALLEST - LARGE))));
  const gain = unit === "mV" ? GAIN / halved : (2 * SHORTEST) / (size || 1);
  const tall = Math.max(SHORTEST, LARGE * Math.ceil((size * gain) / LARGE + 1));
  return { range, gain, middle: (range[0] + range[1]) / 2, tall };
}

/** `mm`: pixels of the page for a millimetre. `at`: {from, to, rate}, samples and how many of them are a second. */
export function drawStrip(canvas, { value }, { gain, middle, tall }, { mm, at }) {
  const ratio = devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(WIDTH * mm * ratio), height: Math.round(tall * mm * ratio) });
  Object.assign(canvas.style, { inlineSize: `${WIDTH * mm}px`, blockSize: `${tall * mm}px` });
  const context = canvas.getContext("2d", { alpha: false });
  context.scale(ratio * mm, ratio * mm);
  drawPaper(context, tall);
  context.strokeStyle = "#e8ebf0";
  context.lineWidth = 1.3 / mm;
  context.lineJoin = "round";
  context.beginPath();
  const step = Math.max(1, Math.floor(at.rate / (SPEED * mm * ratio * 2)));
  let drawing = false;
  for (let index = at.from; index < at.to; index += step) {
    const range = rangeOf(value, index, Math.min(index + step, at.to));
    for (const each of new Set(range)) {
      const point = [((index - at.from) / at.rate) * SPEED, tall / 2 - (each - middle) * gain];
      if (drawing) context.lineTo(...point);
      else context.moveTo(...point);
      drawing = true;
    }
    drawing &&= Boolean(range);
  }
  context.stroke();
}

function drawPaper(context, tall) {
  context.fillStyle = "#000";
  context.fillRect(0, 0, WIDTH, tall);
  for (const [step, colour, width] of [[1, "#1f1516", 0.1], [LARGE, "#47272b", 0.16]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.beginPath();
    for (let x = 0; x <= WIDTH; x += step) context.rect(x, 0, 0, tall);
    for (let y = 0; y <= tall; y += step) context.rect(0, y, WIDTH, 0);
    context.stroke();
  }
}
