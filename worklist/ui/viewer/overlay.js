/**
 * Overlay planes in white over the image, as the server renders them: bitmaps of their own (PS3.3 §C.9.2), or
 * a bit of each pixel that its value does not use (retired, and still sent).
 */
import { bytesOf, number } from "../dicom/dataset.js";

const GROUPS = Array.from({ length: 16 }, (_, n) => (0x6000 + 2 * n).toString(16));

/** Those of one frame, counted from 1: [{top, left, rows, columns, bits, from}]; `from`: its first bit. */
export async function overlaysOf(dataset, frame) {
  const planes = await Promise.all(GROUPS.map((group) => plane(dataset, group, frame).catch(() => undefined)));
  return planes.filter(Boolean);
}

/** The bits of a pixel that are overlays: [{position, top, left}]. */
export function embeddedIn(dataset) {
  if (number(dataset, "SamplesPerPixel", 1) !== 1) return [];
  const allocated = number(dataset, "BitsAllocated", 16);
  const stored = number(dataset, "BitsStored", allocated);
  const high = number(dataset, "HighBit", stored - 1);
  const unused = (position) => position < allocated && (position > high || position <= high - stored);
  return GROUPS.flatMap((group) => {
    const position = valueOf(dataset, group, "0102")[0];
    const own = position === undefined || dataset[tagOf(group, "3000")];
    return own || !unused(Number(position)) ? [] : [{ position: Number(position), ...originOf(dataset, group) }];
  });
}

const tagOf = (group, element) => `${group}${element}`.toUpperCase();
const valueOf = (dataset, group, element) => dataset[tagOf(group, element)]?.Value ?? [];

/** Row and column of the upper left corner, counted from 0. */
function originOf(dataset, group) {
  const origin = valueOf(dataset, group, "0050");
  const [top, left] = origin.length === 2 ? origin.map((each) => Number(each) - 1) : [0, 0];
  return { top, left };
}

async function plane(dataset, group, frame) {
  const value = (element) => valueOf(dataset, group, element);
  const [rows, columns] = [Number(value("0010")[0]), Number(value("0011")[0])];
  if (!rows || !columns) return undefined;
  const [frames, first] = [value("0015")[0], value("0051")[0]].map((each) => (each === undefined ? undefined : Number(each)));
  const place = frames === undefined && first === undefined ? 0 : frame - (first ?? 1);
  if (place < 0 || place >= Math.max(frames ?? 1, 1)) return undefined;
  const bits = await bytesOf(dataset[tagOf(group, "3000")]);
  const from = place * rows * columns;
  if (!bits || bits.length * 8 < from + rows * columns) return undefined;
  return { ...originOf(dataset, group), rows, columns, bits, from };
}

/** Draws onto the pixels (a Uint32Array over RGBA) of an image of this width and height. */
export function drawOverlays(pixels, width, height, planes) {
  for (const { top, left, rows, columns, bits, from } of planes) {
    for (let row = Math.max(0, -top); row < rows && top + row < height; row++) {
      for (let column = Math.max(0, -left); column < columns && left + column < width; column++) {
        const bit = from + row * columns + column;
        if ((bits[bit >> 3] >> (bit & 7)) & 1) pixels[(top + row) * width + left + column] = 0xffffffff;
      }
    }
  }
}
