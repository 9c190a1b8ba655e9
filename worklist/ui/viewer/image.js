/** What one frame of one instance is, as its metadata say: how its pixels are read, shown and where they lie. */
import { DICOMWEB } from "../core/api.js";
import { bytes, first, has, number, numbers, text, values } from "../dicom/dataset.js";
import { cross, dot } from "./geometry.js";
import { embeddedIn, overlaysOf } from "./overlay.js";

const VIDEO_CLASSES = new Set(["1.1.1", "1.2.1", "1.4.1"].map((end) => `1.2.840.10008.5.1.4.1.1.77.${end}`));

/** "image", "video", "document", "report", or "other" for what has nothing to see. */
export function kindOf(dataset) {
  if (VIDEO_CLASSES.has(text(dataset, "SOPClassUID"))) return "video";
  if (has(dataset, "PixelData") || has(dataset, "FloatPixelData") || has(dataset, "DoubleFloatPixelData")) return "image";
  if (number(dataset, "Rows") && number(dataset, "Columns") && has(dataset, "PhotometricInterpretation")) return "image";
  if (has(dataset, "EncapsulatedDocument")) return "document";
  return has(dataset, "ContentSequence") ? "report" : "other";
}

export const instancePath = (dataset) =>
  `${DICOMWEB}/studies/${text(dataset, "StudyInstanceUID")}/series/${text(dataset, "SeriesInstanceUID")}` +
  `/instances/${text(dataset, "SOPInstanceUID")}`;

/** All frames of an instance, in their order. */
export function imagesOf(dataset) {
  if (kindOf(dataset) !== "image") return [];
  const count = Math.max(1, number(dataset, "NumberOfFrames", 1));
  return Array.from({ length: count }, (_, index) => new Image(dataset, index));
}

export class Image {
  constructor(dataset, index) {
    this.dataset = dataset;
    this.frame = index + 1;
    this.key = `${text(dataset, "SOPInstanceUID")}/${this.frame}`;
    this.rows = number(dataset, "Rows", 0);
    this.columns = number(dataset, "Columns", 0);
    this.photometric = text(dataset, "PhotometricInterpretation") || "MONOCHROME2";
    this.colour = number(dataset, "SamplesPerPixel", 1) > 1 || this.photometric === "PALETTE COLOR";
    this.#shared = first(dataset, "SharedFunctionalGroupsSequence");
    this.#own = values(dataset, "PerFrameFunctionalGroupsSequence")[index];
  }

  #shared;
  #own;

  /** The data set that says such things of this frame: its own group, the shared one, or the instance. */
  #group(sequence) {
    return first(this.#own, sequence) ?? first(this.#shared, sequence) ?? this.dataset;
  }

  get #float() {
    return has(this.dataset, "FloatPixelData") || has(this.dataset, "DoubleFloatPixelData");
  }

  /** What bytes and single bits can be: they are made for a display, unless they are a segmentation. */
  get displayRange() {
    const stored = number(this.dataset, "BitsStored");
    const signed = number(this.dataset, "PixelRepresentation", 0) === 1;
    if (signed || has(this.dataset, "SegmentationType") || (stored !== 1 && stored !== 8)) return undefined;
    return [0, 2 ** stored - 1];
  }

  get url() {
    return `${instancePath(this.dataset)}/frames/${this.frame}`;
  }

  get inverse() {
    return this.photometric === "MONOCHROME1";
  }

  get rescale() {
    const group = this.#group("PixelValueTransformationSequence");
    return { slope: number(group, "RescaleSlope", 1) || 1, intercept: number(group, "RescaleIntercept", 0) };
  }

  /** Windows as sent: [{center, width, shape}]. */
  get windows() {
    const group = this.#group("FrameVOILUTSequence");
    const centers = numbers(group, "WindowCenter") ?? [];
    const widths = numbers(group, "WindowWidth") ?? [];
    const said = text(group, "VOILUTFunction") || "LINEAR";
    const shape = said === "LINEAR" && this.#float ? "LINEAR_EXACT" : said; // half a step is of whole numbers only
    return centers.flatMap((center, index) => (widths[index] > 0 ? [{ center, width: widths[index], shape }] : []));
  }

  /** Millimetres between rows and between columns; `atDetector`: as projected, not in the patient. */
  get spacing() {
    const group = this.#group("PixelMeasuresSequence");
    const inPatient = numbers(group, "PixelSpacing");
    const found = inPatient ?? numbers(this.dataset, "ImagerPixelSpacing");
    if (found?.length !== 2 || !found.every((each) => each > 0)) return undefined;
    return { row: found[0], column: found[1], atDetector: !inPatient };
  }

  /** Height of a pixel in terms of its width. */
  get aspect() {
    if (this.spacing) return this.spacing.row / this.spacing.column;
    const ratio = numbers(this.dataset, "PixelAspectRatio");
    return ratio?.length === 2 && ratio[0] > 0 && ratio[1] > 0 ? ratio[0] / ratio[1] : 1;
  }

  get position() {
    const found = numbers(this.#group("PlanePositionSequence"), "ImagePositionPatient");
    return found?.length === 3 ? found : undefined;
  }

  get axes() {
    const found = numbers(this.#group("PlaneOrientationSequence"), "ImageOrientationPatient");
    return found?.length === 6 ? { row: found.slice(0, 3), column: found.slice(3) } : undefined;
  }

  get normal() {
    return this.axes && cross(this.axes.row, this.axes.column);
  }

  /** Millimetres along the normal: what sorts a stack and links two. */
  get depth() {
    return this.normal && this.position ? dot(this.normal, this.position) : undefined;
  }

  get frameOfReference() {
    return text(this.dataset, "FrameOfReferenceUID");
  }

  /** What the worker must know to read the frame. */
  async layout() {
    const { dataset } = this;
    const allocated = number(dataset, "BitsAllocated", 16);
    return {
      url: this.url,
      rows: this.rows,
      columns: this.columns,
      samples: number(dataset, "SamplesPerPixel", 1),
      photometric: this.photometric,
      planar: number(dataset, "PlanarConfiguration", 0) === 1,
      allocated,
      stored: number(dataset, "BitsStored", allocated),
      high: number(dataset, "HighBit", number(dataset, "BitsStored", allocated) - 1),
      signed: number(dataset, "PixelRepresentation", 0) === 1,
      float: this.#float,
      padding: padding(dataset),
      embedded: embeddedIn(dataset),
      palette: this.photometric === "PALETTE COLOR" ? await palette(dataset) : undefined,
    };
  }

  /** Lookup tables that take the place of rescale and window: {modality, voi}, undefined where there is none;
   * {supplemental}, the colours of the values from its first on (PS3.3 §C.8.16.2.1.1.1); and {overlays}. */
  async tables() {
    const modality = first(this.#group("PixelValueTransformationSequence"), "ModalityLUTSequence");
    const voi = first(this.#group("FrameVOILUTSequence"), "VOILUTSequence");
    const coloured = ["COLOR", "MIXED"].includes(text(this.dataset, "PixelPresentation")) && has(this.dataset, "RedPaletteDescriptor");
    return {
      modality: modality && (await table(modality)),
      voi: voi && (await table(voi)),
      overlays: await overlaysOf(this.dataset, this.frame),
      supplemental: coloured ? await palette(this.dataset) : undefined,
    };
  }
}

/** PS3.3 §C.11.1.1.1: {first, values, bits}. Descriptor: entries (0 is 65536), first value mapped, bits. */
async function table(item) {
  const [entries, firstValue, bits] = numbers(item, "LUTDescriptor") ?? [];
  const listed = numbers(item, "LUTData");
  const data = listed ?? wide(await bytes(item, "LUTData"), (entries || 65536) * 2);
  return data ? { first: firstValue, values: data, bits } : undefined;
}

/** Stored values that are no image: one, or all up to a limit (PS3.3 §C.7.5.1.1.2); an empty range when none are. */
function padding(dataset) {
  const value = number(dataset, "PixelPaddingValue");
  if (value === undefined) return [Infinity, -Infinity];
  return [value, number(dataset, "PixelPaddingRangeLimit", value)].sort((a, b) => a - b);
}

async function palette(dataset) {
  const [entries, firstValue, bits] = numbers(dataset, "RedPaletteDescriptor") ?? [256, 0, 8];
  const size = entries || 65536;
  const channels = await Promise.all(["Red", "Green", "Blue"].map((each) => bytes(dataset, `${each}PaletteData`)));
  if (channels.some((each) => !each)) return undefined;
  const shift = bits > 8 || channels[0].length >= size * 2 ? 8 : 0;
  return { first: firstValue, channels: channels.map((each) => eightBit(wide(each, size * 2), shift)) };
}

/** Entries of 16 bits; of 8 when there are only bytes enough for that. */
const wide = (data, expected) =>
  data && (data.length >= expected ? new Uint16Array(data.slice(0, data.length & ~1).buffer) : Uint16Array.from(data));

/** Some writers put 8-bit values into 16-bit entries. */
function eightBit(data, shift) {
  const most = data.reduce((high, each) => Math.max(high, each), 0);
  return Uint8Array.from(data, (each) => (shift && most > 255 ? each >> shift : each));
}
