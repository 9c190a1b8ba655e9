/**
 * Fetches one frame and reads its samples, apart from the page so that scrolling never waits.
 * Answers {id, samples, min, max, low, high} for gray (`low` and `high` without padding), {id, rgba} for colour, both with
 * the `overlays` that lay in unused bits, or {id, problem}.
 */
const UNCOMPRESSED = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1';
const COLOUR_JPEG = 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50';
const under = new Map();

onmessage = async ({ data: { id, layout, cancel } }) => {
  if (cancel) return under.get(cancel)?.abort();
  const abort = new AbortController();
  under.set(id, abort);
  try {
    const read = await frame(layout, abort.signal);
    postMessage({ id, ...read }, [(read.samples ?? read.rgba).buffer]);
  } catch (error) {
    postMessage({ id, problem: { message: error.message, status: error.status ?? 0, code: error.code ?? error.name, correlationId: error.correlationId ?? "" } });
  } finally {
    under.delete(id);
  }
};

/** A browser takes a JPEG for luminance and colour difference: one that holds red, green and blue is not for it. */
function wanted({ samples, allocated, photometric }) {
  const browserDecodes = samples > 1 && allocated === 8 && photometric !== "RGB";
  return browserDecodes ? `${COLOUR_JPEG}, ${UNCOMPRESSED}; q=0.9` : UNCOMPRESSED;
}

/** What the server cannot give out uncompressed, or we cannot colour, it may still be able to render. */
async function sent(layout, signal) {
  const rendered = () => ask(`${layout.url}/rendered`, "image/png, image/jpeg", signal);
  if (layout.photometric === "PALETTE COLOR" && !layout.palette) return rendered();
  try {
    return await ask(layout.url, wanted(layout), signal);
  } catch (error) {
    if (![406, 415, 500, 501].includes(error.status)) throw error;
    return rendered().catch(() => Promise.reject(error));
  }
}

async function frame(layout, signal) {
  const { type, body } = await part(await sent(layout, signal));
  if (type.startsWith("image/")) return picture(body, type);
  if (layout.samples > 1) return { rgba: colour(layout, body) };
  const raw = typed(layout, body, layout.rows * layout.columns);
  const overlays = layout.embedded.map((plane) => bitmap(layout, plane, raw));
  const samples = narrowed(layout, raw);
  return { overlays, ...(layout.palette ? { rgba: paletted(layout, samples) } : gray(layout, samples)) };
}

async function ask(url, accept, signal) {
  const response = await fetch(url, { headers: { Accept: accept }, credentials: "same-origin", signal });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw Object.assign(new Error(said.message || `${response.status} ${response.statusText}`), {
    status: response.status,
    code: said.code ?? "HTTP",
    correlationId: said.correlation_id ?? response.headers.get("X-Correlation-ID"),
  });
}

/** The first part of a multipart answer, or the whole of another. */
async function part(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const whole = new Uint8Array(await response.arrayBuffer());
  if (!type.startsWith("multipart/")) return { type, body: whole };
  const start = seek(whole, [13, 10, 13, 10], 0);
  const head = new TextDecoder("latin1").decode(whole.subarray(0, start));
  const boundary = /boundary="?([^";]+)"?/i.exec(type)[1];
  const tail = [...new TextEncoder().encode(`\r\n--${boundary}`)];
  const end = seek(whole, tail, Math.max(start, whole.length - 4096));
  return {
    type: /content-type:\s*([^\r\n;]+)/i.exec(head)?.[1] ?? "",
    body: whole.slice(start + 4, end < 0 ? whole.length : end),
  };
}

function seek(whole, wanted, from) {
  for (let at = whole.indexOf(wanted[0], from); at >= 0; at = whole.indexOf(wanted[0], at + 1)) {
    if (wanted.every((each, index) => whole[at + index] === each)) return at;
  }
  return -1;
}

/** The browser decodes it, colour transform and all. */
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

function gray(layout, samples) {
  let min = Infinity;
  let max = -Infinity;
  let low = Infinity;
  let high = -Infinity;
  const [from, to] = layout.padding;
  for (let at = 0; at < samples.length; at++) {
    const value = samples[at];
    if (value < min) min = value;
    if (value > max) max = value;
    if (value >= from && value <= to) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { samples, min, max, low: Math.min(low, max), high: Math.max(high, min) };
}

function typed(layout, body, count) {
  const { allocated, signed, float } = layout;
  const most = Math.ceil((count * allocated) / 8);
  if (body.length < most) throw new Error(`the frame has ${body.length} bytes where ${most} are needed`);
  if (allocated === 1) return Uint8Array.from({ length: count }, (_, at) => (body[at >> 3] >> (at & 7)) & 1);
  const buffer = body.byteOffset % 8 ? body.slice().buffer : body.buffer;
  const offset = body.byteOffset % 8 ? 0 : body.byteOffset;
  if (float) return allocated === 64 ? Float32Array.from(new Float64Array(buffer, offset, count)) : new Float32Array(buffer, offset, count);
  const Kind = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] }[allocated]?.[signed ? 1 : 0];
  if (!Kind) throw new Error(`samples of ${allocated} bits are not shown here`);
  return new Kind(buffer, offset, count);
}

/** Bits outside of the stored ones may hold anything: they are cut off, the sign extended. */
function narrowed({ allocated, stored, high, signed, float }, samples) {
  if (float || stored >= allocated || allocated === 32) return samples;
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
  if (layout.photometric === "YBR_FULL_422" && body.length < count * 3) return subsampled(body, rgba);
  const bytes = layout.allocated === 16 ? highBytes(layout, body, count) : body;
  if (bytes.length < count * 3) throw new Error("the frame is shorter than its rows and columns");
  const [next, pixel] = layout.planar ? [count, 1] : [1, 3];
  const luminance = /^YBR_(FULL|PARTIAL)/.test(layout.photometric);
  for (let at = 0, from = 0, to = 0; at < count; at++, from += pixel, to += 4) {
    put(rgba, to, bytes[from], bytes[from + next], bytes[from + 2 * next], luminance);
  }
  return rgba;
}

function highBytes(layout, body, count) {
  const wide = new Uint16Array(body.slice(0, count * 6).buffer);
  return Uint8Array.from(wide, (each) => each >> (layout.stored - 8));
}

/** PS3.3 §C.7.6.3.1.2 */
function put(rgba, to, a, b, c, luminance) {
  rgba[to] = luminance ? a + 1.402 * (c - 128) : a;
  rgba[to + 1] = luminance ? a - 0.344136 * (b - 128) - 0.714136 * (c - 128) : b;
  rgba[to + 2] = luminance ? a + 1.772 * (b - 128) : c;
}

function subsampled(body, rgba) {
  for (let from = 0, to = 0; to < rgba.length; from += 4, to += 8) {
    put(rgba, to, body[from], body[from + 2], body[from + 3], true);
    put(rgba, to + 4, body[from + 1], body[from + 2], body[from + 3], true);
  }
  return rgba;
}

function paletted({ palette }, samples) {
  const rgba = new Uint8ClampedArray(samples.length * 4).fill(255);
  const [red, green, blue] = palette.channels;
  const last = red.length - 1;
  for (let at = 0, to = 0; at < samples.length; at++, to += 4) {
    const entry = Math.max(0, Math.min(last, samples[at] - palette.first));
    rgba[to] = red[entry];
    rgba[to + 1] = green[entry];
    rgba[to + 2] = blue[entry];
  }
  return rgba;
}
