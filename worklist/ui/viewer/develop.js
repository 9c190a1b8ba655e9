/** A frame with a look, as pixels: the same picture as the server's `rendered` if nothing was chosen. */
import { Painter, naturalWindow } from "./lut.js";
import { drawOverlays } from "./overlay.js";

/** The chosen window; otherwise the one that was sent, or one that fits the values. `full` ignores what was sent. */
export const windowOf = (image, frame, tables, chosen, full) =>
  chosen ?? (full ? undefined : tables.voi?.window) ?? naturalWindow(image, frame, tables);

export class Developer {
  #painter = new Painter();

  /** Draws onto a Uint32Array over RGBA of the image's size. `look`: {window, full, invert}. */
  develop(pixels, image, frame, tables, { window, full = false, invert = false } = {}) {
    if (frame.rgba) coloured(pixels, frame.rgba, invert);
    else {
      const asSent = !window && !full && tables.voi?.table;
      this.#painter.paint(pixels, frame, {
        key: tables.modality || tables.supplemental || asSent ? image.key : "",
        rescale: image.rescale,
        tables,
        window: asSent ? null : windowOf(image, frame, tables, window, full),
        invert: image.inverse !== invert,
      });
    }
    drawOverlays(pixels, image.columns, image.rows, [...(tables.overlays ?? []), ...(frame.overlays ?? [])]);
  }
}

function coloured(pixels, rgba, invert) {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  if (!invert) return pixels.set(words);
  for (let at = 0; at < words.length; at++) pixels[at] = words[at] ^ 0x00ffffff;
}
