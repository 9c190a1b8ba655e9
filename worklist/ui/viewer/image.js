/** One frame of an instance, as its metadata describes it: how its pixels are read and shown, and where they lie. */
import { DICOMWEB } from "../core/api.js";
import { bytes, first, has, number, numbers, text, values } from "../dicom/dataset.js";
import { cross, dot, letters } from "./geometry.js";
import { embeddedIn, overlaysOf } from "./overlay.js";
import { regionsOf } from "./regions.js";

const VIDEO_CLASSES = new Set(["1.1.1", "1.2.1", "1.4.1"].map((end) => `1.2.840.10008.5.1.4.1.1.77.${end}`));

/** Other classes may contain a video, too: only videos have such samples (PS3.3 §C.7.6.3.1.2). */
const isVideo = (dataset) => VIDEO_CLASSES.has(text(dataset, "SOPClassUID")) || text(dataset, "PhotometricInterpretation") === "YBR_PARTIAL_420";

/** "image", "video", "document", "report", "waveform", "presentation" of images, or "other" for what cannot be shown. */
export function kindOf(dataset) {
  if (isVideo(dataset)) return "video";
  if (has(dataset, "PixelData") || has(dataset, "FloatPixelData") || has(dataset, "DoubleFloatPixelData")) return "image";
  if (number(dataset, "Rows") && number(dataset, "Columns") && has(dataset, "PhotometricInterpretation")) return "image";
  if (has(dataset, "EncapsulatedDocument")) return "document";
  if (has(dataset, "WaveformSequence")) return "waveform";
  if (has(dataset, "PresentationCreationDate")) return "presentation";
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
    this.#shared = first(dataset, "SharedFunctionalGroupsSequence");
    this.#own = values(dataset, "PerFrameFunctionalGroupsSequence")[index];
  }

  #shared;
  #own;
  #placed;

  /** The data set that has such attributes of this frame: its own group, the shared one, or the instance. */
  #group(sequence) {
    return first(this.#own, sequence) ?? first(this.#shared, sequence) ?? this.dataset;
  }

  /** Where the attributes of a macro may be, the nearest first (as in the server's `functional_groups.py`). */
  #holders(sequence) {
    const near = [this.#own, this.#shared].filter(Boolean);
    return [...near.map((group) => first(group, sequence)), this.dataset, ...near.map(philips)].filter(Boolean);
  }

  get #float() {
    return has(this.dataset, "FloatPixelData") || has(this.dataset, "DoubleFloatPixelData");
  }

  /** The natural range: from none to all of a segment, or the whole range of 8-bit and 1-bit images, which are made for display. */
  displayRange(frame) {
    const stored = number(this.dataset, "BitsStored");
    const signed = number(this.dataset, "PixelRepresentation", 0) === 1;
    if (has(this.dataset, "SegmentationType")) return [0, number(this.dataset, "MaximumFractionalValue") || Math.max(1, frame.high)];
    return signed || (stored !== 1 && stored !== 8) ? undefined : [0, 2 ** stored - 1];
  }

  get url() {
    return `${instancePath(this.dataset)}/frames/${this.frame}`;
  }

  /** Presentation LUT Shape, if present, overrides Photometric Interpretation (PS3.3 §C.11.6). */
  get inverse() {
    const shape = text(this.dataset, "PresentationLUTShape");
    return shape === "INVERSE" || (shape !== "IDENTITY" && this.photometric === "MONOCHROME1");
  }

  /** A slope of zero, which would leave nothing to see, is ignored. */
  get rescale() {
    for (const holder of this.#holders("PixelValueTransformationSequence")) {
      const [slope, intercept] = ["RescaleSlope", "RescaleIntercept"].map((each) => number(holder, each));
      if (slope !== undefined || intercept !== undefined) return { slope: slope || 1, intercept: intercept ?? 0 };
    }
    return { slope: 1, intercept: 0 };
  }

  /** Padding, values of pixels outside the image: one, or a range up to its limit (PS3.3 §C.7.5.1.1.2, §C.7.6.24, §C.7.6.25). */
  get padding() {
    for (const kind of ["", "Float", "DoubleFloat"]) {
      const value = number(this.dataset, `${kind}PixelPaddingValue`);
      if (value === undefined) continue;
      return [value, number(this.dataset, `${kind}PixelPaddingRangeLimit`, value)].sort((a, b) => a - b);
    }
    return [Infinity, -Infinity];
  }

  /** The first usable table, else the first usable window (PS3.3 §C.11.2). */
  async #voi() {
    for (const holder of this.#holders("FrameVOILUTSequence")) {
      const item = first(holder, "VOILUTSequence");
      const lookup = item && (await table(item));
      if (lookup) return { table: lookup, called: text(item, "LUTExplanation") };
      const window = windowOf(holder);
      if (window) return { window };
    }
    return {};
  }

  /** Millimetres between rows and between columns; `atDetector`: at the detector or on film, not in the patient. */
  get spacing() {
    const group = this.#group("PixelMeasuresSequence");
    const inPatient = numbers(group, "PixelSpacing");
    const elsewhere = ["ImagerPixelSpacing", "ImagePlanePixelSpacing", "NominalScannedPixelSpacing"];
    const found = inPatient ?? elsewhere.map((each) => numbers(this.dataset, each)).find(Boolean);
    if (found?.length !== 2 || !found.every((each) => each > 0)) return undefined;
    return { row: found[0], column: found[1], atDetector: !inPatient };
  }

  /** Regions with scales of their own, in ultrasound. */
  get regions() {
    return regionsOf(this.dataset, this);
  }

  /** Height of a pixel divided by its width. */
  get aspect() {
    if (this.spacing) return this.spacing.row / this.spacing.column;
    const ratio = numbers(this.dataset, "PixelAspectRatio");
    return ratio?.length === 2 && ratio[0] > 0 && ratio[1] > 0 ? ratio[0] / ratio[1] : 1;
  }

  /** Read once: a stack of thousands is sorted by it, and linked at each step. */
  get #place() {
    return (this.#placed ??= placeOf(
      numbers(this.#group("PlanePositionSequence"), "ImagePositionPatient"),
      numbers(this.#group("PlaneOrientationSequence"), "ImageOrientationPatient"),
    ));
  }

  get axes() {
    return this.#place.axes;
  }

  get normal() {
    return this.#place.normal;
  }

  /** Where its right and its lower edge point, in letters; empty if unknown. */
  get directions() {
    const said = this.axes ? [this.axes.row, this.axes.column].map(letters) : values(this.dataset, "PatientOrientation");
    return [said[0] ?? "", said[1] ?? ""];
  }

  /** Millimetres along the normal, used to sort a stack and to link two. */
  get depth() {
    return this.#place.depth;
  }

  /** "R", "L", "B" for both, "U" for unpaired; empty if not stated. */
  get laterality() {
    const ofFrame = text(this.#group("FrameAnatomySequence"), "FrameLaterality");
    return ofFrame || text(this.dataset, "ImageLaterality") || text(this.dataset, "Laterality");
  }

  get frameOfReference() {
    return text(this.dataset, "FrameOfReferenceUID");
  }

  /** What the worker needs to know to read the frame. */
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
      padding: this.padding,
      embedded: embeddedIn(dataset),
      palette: this.photometric === "PALETTE COLOR" ? await palette(dataset) : undefined,
    };
  }

  /**
   * What takes a while to read: {modality}, a table in place of rescale; {voi}, the {table} or {window} sent;
   * {supplemental}, the colours of the values from its first on (PS3.3 §C.8.16.2.1.1.1); and {overlays}.
   */
  async tables() {
    const { dataset } = this;
    const modality = first(dataset, "ModalityLUTSequence");
    const coloured = ["COLOR", "MIXED"].includes(text(dataset, "PixelPresentation")) && has(dataset, "RedPaletteDescriptor");
    return {
      modality: modality && (await table(modality)),
      voi: await this.#voi(),
      overlays: await overlaysOf(dataset, this.frame),
      supplemental: coloured ? await palette(dataset) : undefined,
    };
  }
}

function placeOf(position, orientation) {
  if (orientation?.length !== 6) return {};
  const axes = { row: orientation.slice(0, 3), column: orientation.slice(3) };
  const normal = cross(axes.row, axes.column);
  return { axes, normal, depth: position?.length === 3 ? dot(normal, position) : undefined };
}

const PHILIPS = "Philips MR Imaging DD 005";

/** Philips's private group, which may have the only window. */
function philips(group) {
  const creator = Object.keys(group).find((tag) => /^200500[1-9A-F]/.test(tag) && group[tag].Value?.[0] === PHILIPS);
  return creator && group[`2005${creator.slice(6)}0F`]?.Value?.[0];
}

const SHAPES = new Set(["LINEAR_EXACT", "SIGMOID"]);

function windowOf(holder) {
  const [center, width] = ["WindowCenter", "WindowWidth"].map((each) => numbers(holder, each)?.[0]);
  const shape = text(holder, "VOILUTFunction");
  return width > 0 && center !== undefined ? { center, width, shape: SHAPES.has(shape) ? shape : "LINEAR" } : undefined;
}

/** PS3.3 §C.11.1.1.1: {first, values, bits}. Descriptor: entries (0 is 65536), first value mapped, bits. */
async function table(item) {
  const [entries, firstValue, bits] = numbers(item, "LUTDescriptor") ?? [];
  if (bits === undefined) return undefined;
  const listed = numbers(item, "LUTData")?.slice(0, entries || MOST);
  const values = listed ?? wide(await bytes(item, "LUTData"), entries || MOST, bits);
  return values?.length ? { first: firstValue, values, bits } : undefined;
}

/** Undefined if it is not a plain list; the server renders segmented ones. */
async function palette(dataset) {
  const channels = await Promise.all(["Red", "Green", "Blue"].map((each) => channel(dataset, each)));
  return channels.every(Boolean) ? { first: channels[0].first, channels } : undefined;
}

async function channel(dataset, colour) {
  const [entries, firstValue, bits] = numbers(dataset, `${colour}PaletteDescriptor`) ?? [];
  const values = bits && wide(await bytes(dataset, `${colour}PaletteData`), entries || MOST, bits);
  return values?.length ? { first: firstValue, values: eightBit(values, bits) } : undefined;
}

const MOST = 65536; // entries of a table

/** Entries of 16 bits, or of 8 if there are only that many bytes. */
function wide(data, entries, bits) {
  const narrow = bits <= 8 && data?.length < entries * 2;
  return data && (narrow ? Uint16Array.from(data) : new Uint16Array(data.slice(0, data.length & ~1).buffer)).subarray(0, entries);
}

/** Some writers put 8-bit values into entries declared as 16-bit. */
function eightBit(values, bits) {
  const shift = bits > 8 && values.some((each) => each > 255) ? 8 : 0;
  return Uint8Array.from(values, (each) => each >> shift);
}
