/**
 * Fetches one frame and reads its samples, apart from the page so that scrolling never waits. Told {id, key, layout}, or
 * {id} alone of one that is not wanted any more, or {expected: layout} of one that will be. Answers {id, key} with {samples, min, max, low, high} for gray (`low` and
 * `high` without padding), {rgba} for colour, both with the `overlays` that lay in unused bits, or {problem}.
 */
import { ask, lost, problemOf } from "./ask.js";

const UNCOMPRESSED = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1';
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";
const STORED_JPEG = 'multipart/related; type="image/jpeg"; transfer-syntax=*';

const under = new Map(); // id → how to abort it
const coming = new Map(); // URL → the promise of a frame that nobody has asked for yet

onmessage = async ({ data: { id, key, layout, expected } }) => {
  if (expected) return expect(expected);
  if (!layout) return under.get(id)?.abort();
  const abort = new AbortController();
  under.set(id, abort);
  try {
    const read = await frame(layout, (url, accept) => ask(url, accept, abort.signal));
    postMessage({ id, key, ...read }, [(read.samples ?? read.rgba).buffer]);
  } catch (error) {
    postMessage({ id, key, problem: problemOf(error) });
  }
  under.delete(id);
};

/** Its layout needs to be right only as far as it decides the requested form. */
function expect(layout) {
  const frame = asStored(layout, ask);
  frame.catch(() => {}); // reported to whoever asks for it
  coming.set(layout.url, frame);
}

/** Browsers assume that a JPEG is YCbCr, so one with red, green and blue is not for them. */
const browserDecodes = ({ samples, allocated, photometric }) => samples > 1 && allocated === 8 && photometric !== "RGB";

const isReadable = ({ photometric, palette, allocated, float, samples }) =>
  (palette || photometric !== "PALETTE COLOR") && (allocated <= 32 || float) && (samples === 1 || samples === 3);

function stored(layout, ask) {
  const found = coming.get(layout.url);
  coming.delete(layout.url);
  return found ?? asStored(layout, ask);
}

/** A colour frame stored as JPEG is fetched as such, but never one compressed for us; all others uncompressed. */
async function asStored(layout, ask) {
  if (!browserDecodes(layout)) return part(await ask(layout.url, UNCOMPRESSED));
  const found = await part(await ask(layout.url, `${STORED_JPEG}, ${UNCOMPRESSED}; q=0.9`));
  const beyond = found.type === "image/jpeg" && found.syntax !== JPEG_BASELINE;
  return beyond ? part(await ask(layout.url, UNCOMPRESSED)) : found;
}

/** The server may be able to render what it cannot send uncompressed or we cannot read. */
async function sent(layout, ask) {
  const rendered = async () => part(await ask(`${layout.url}/rendered`, "image/png, image/jpeg; q=0.5"));
  if (!isReadable(layout)) return rendered();
  try {
    return await stored(layout, ask);
  } catch (error) {
    if (![406, 415, 500, 501].includes(error.status)) throw error;
    return rendered().catch(() => Promise.reject(error));
  }
}

async function frame(layout, ask) {
  const { type, syntax, body } = await sent(layout, ask);
  if (type.startsWith("image/")) return { ...(await picture(body, type)), byBrowser: syntax === JPEG_BASELINE };
  if (layout.samples > 1) return { rgba: colour(layout, body) };
  const raw = typed(layout, body, layout.rows * layout.columns);
  const overlays = layout.embedded.map((plane) => bitmap(layout, plane, raw));
  const samples = narrowed(layout, raw);
  return { overlays, ...(layout.palette ? { rgba: paletted(layout, samples) } : gray(layout, samples)) };
}

/** The first part of a multipart answer, or the whole of any other. */
async function part(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const whole = new Uint8Array(await response.arrayBuffer().catch(lost));
  if (!type.startsWith("multipart/")) return { type, body: whole };
  const start = seek(whole, [13, 10, 13, 10], 0);
  const head = new TextDecoder("latin1").decode(whole.subarray(0, start));
  const boundary = /boundary="?([^";]+)"?/i.exec(type)[1];
  const tail = [...new TextEncoder().encode(`\r\n--${boundary}`)];
  const end = seek(whole, tail, Math.max(start, whole.length - 4096));
  return {
    type: /content-type:\s*([^\r\n;]+)/i.exec(head)?.[1] ?? "",
    syntax: /transfer-syntax="?([\d.]+)/i.exec(head)?.[1],
    body: whole.slice(start + 4, end < 0 ? whole.length : end),
  };
}

function seek(whole, wanted, from) {
  for (let at = whole.indexOf(wanted[0], from); at >= 0; at = whole.indexOf(wanted[0], at + 1)) {
    if (wanted.every((each, index) => whole[at + index] === each)) return at;
  }
  return -1;
}

/** The browser decodes it, including the colour transform. */
async function picture(body, type) {
  const bitmap = await createImageBitmap(new Blob([body], { type }), { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return { rgba: data };
}

/** What one bit of each pixel says, packed as Overlay Data are. */
function bitmap({ rows, columns }, { position, top, left }, raw) {
  const bits = new Uint8Array(Math.ceil(raw.length / 8));
  for (let at = 0; at < raw.length; at++) bits[at >> 3] |= ((raw[at] >>> position) & 1) << (at & 7);
  return { top, left, rows, columns, bits, from: 0 };
}

function gray({ padding: [from, to], float }, samples) {
  let [min, max, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < samples.length; at++) {
    const value = samples[at];
    if (float && !Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    if (value >= from && value <= to) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (min > max) min = max = 0; // only NaN
  return { samples, min, max, ...(low > high ? { low: min, high: max } : { low, high }) };
}

function typed(layout, body, count) {
  const { allocated, signed, float } = layout;
  const most = Math.ceil((count * allocated) / 8);
  if (body.length < most) throw new Error(`the frame has ${body.length} bytes where ${most} are needed`);
  if (allocated === 1) return new Uint8Array(count).map((_, at) => (body[at >> 3] >> (at & 7)) & 1);
  const buffer = body.byteOffset % 8 ? body.slice().buffer : body.buffer;
  const offset = body.byteOffset % 8 ? 0 : body.byteOffset;
  if (float) return new (allocated === 64 ? Float64Array : Float32Array)(buffer, offset, count);
  const Kind = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] }[allocated]?.[signed ? 1 : 0];
  if (!Kind) throw new Error(`samples of ${allocated} bits are not shown here`);
  return new Kind(buffer, offset, count);
}

/** Bits beyond Bits Stored may hold anything: they are cut off, and the sign is extended. */
function narrowed({ allocated, stored, high, signed, float }, samples) {
  if (float || stored >= allocated) return samples;
  const left = 32 - (high + 1);
  const right = 32 - stored;
  for (let at = 0; at < samples.length; at++) {
    samples[at] = signed ? (samples[at] << left) >> right : (samples[at] << left) >>> right;
  }
  return samples;
}

function colour(layout, body) {
  const count = layout.rows * layout.columns;
  const rgba = new Uint8ClampedArray(count * 4).fill(255);
  const put = { YBR_FULL: full, YBR_PARTIAL: partial }[/^YBR_(FULL|PARTIAL)/.exec(layout.photometric)?.[0]] ?? rgb;
  if (layout.photometric.endsWith("_422") && body.length < count * 3) return subsampled(body, rgba, put);
  const bytes = layout.allocated === 8 && layout.stored === 8 ? body : octets(layout, body, count * 3);
  if (bytes.length < count * 3) throw new Error("the frame is shorter than its rows and columns");
  const [next, pixel] = layout.planar ? [count, 1] : [1, 3];
  for (let at = 0, from = 0, to = 0; at < count; at++, from += pixel, to += 4) {
    put(rgba, to, bytes[from], bytes[from + next], bytes[from + 2 * next]);
  }
  return rgba;
}

/** Samples wider than a byte keep their upper bits. */
function octets({ allocated, stored, high }, body, count) {
  const Kind = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array }[allocated];
  const samples = new Kind(body.slice(0, count * Kind.BYTES_PER_ELEMENT).buffer);
  if (stored > 8) return Uint8Array.from(samples, (each) => each >>> (high - 7));
  const [unused, most] = [high + 1 - stored, 2 ** stored - 1];
  return Uint8Array.from(samples, (each) => Math.floor((((each >>> unused) & most) * 255) / most));
}

/** PS3.3 §C.7.6.3.1.2 */
function rgb(rgba, to, red, green, blue) {
  rgba[to] = red;
  rgba[to + 1] = green;
  rgba[to + 2] = blue;
}

const full = (rgba, to, y, cb, cr) =>
  rgb(rgba, to, y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128));

/** Luma from 16 to 235, chroma from 16 to 240. */
const partial = (rgba, to, y, cb, cr) =>
  full(rgba, to, (y - 16) * (255 / 219), (cb - 128) * (255 / 224) + 128, (cr - 128) * (255 / 224) + 128);

function subsampled(body, rgba, put) {
  for (let from = 0, to = 0; to < rgba.length; from += 4, to += 8) {
    put(rgba, to, body[from], body[from + 2], body[from + 3]);
    put(rgba, to + 4, body[from + 1], body[from + 2], body[from + 3]);
  }
  return rgba;
}

function paletted({ palette }, samples) {
  const rgba = new Uint8ClampedArray(samples.length * 4).fill(255);
  palette.channels.forEach(({ first, values }, channel) => {
    const last = values.length - 1;
    for (let at = 0, to = channel; at < samples.length; at++, to += 4) rgba[to] = values[Math.max(0, Math.min(last, samples[at] - first))];
  });
  return rgba;
}
