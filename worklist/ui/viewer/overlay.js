/** Overlay planes with a bitmap of their own (PS3.3 §C.9.2), in white over the image as the server renders them. */
import { bytesOf } from "../dicom/dataset.js";

const GROUPS = Array.from({ length: 16 }, (_, n) => (0x6000 + 2 * n).toString(16));

/** Those of one frame, counted from 1: [{top, left, rows, columns, bits, from}]; `from`: its first bit. */
export async function overlaysOf(dataset, frame) {
  const planes = await Promise.all(GROUPS.map((group) => plane(dataset, group, frame).catch(() => undefined)));
  return planes.filter(Boolean);
}

async function plane(dataset, group, frame) {
  const value = (element) => dataset[`${group}${element}`.toUpperCase()]?.Value ?? [];
  const [rows, columns] = [Number(value("0010")[0]), Number(value("0011")[0])];
  if (!rows || !columns) return undefined;
  const [frames, first] = [value("0015")[0], value("0051")[0]].map((each) => (each === undefined ? undefined : Number(each)));
  const place = frames === undefined && first === undefined ? 0 : frame - (first ?? 1);
  if (place < 0 || place >= Math.max(frames ?? 1, 1)) return undefined;
  const bits = await bytesOf(dataset[`${group}3000`.toUpperCase()]);
  const from = place * rows * columns;
  if (!bits || bits.length * 8 < from + rows * columns) return undefined;
  const [top, left] = value("0050").length === 2 ? value("0050").map((each) => Number(each) - 1) : [0, 0];
  return { top, left, rows, columns, bits, from };
}

/** Onto the pixels (a Uint32Array over RGBA) of an image so wide and high. */
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
