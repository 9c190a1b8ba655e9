/** The samples of a waveform's multiplex group, and what each channel measures (PS3.3 §C.10.9). */
import { bytes, first, number, text, values } from "../dicom/dataset.js";

const TYPES = { SB: Int8Array, UB: Uint8Array, SS: Int16Array, US: Uint16Array, SL: Int32Array, UL: Uint32Array };
const MILLIVOLTS = { V: 1000, mV: 1, uV: 1e-3, nV: 1e-6 };
const MOST_BYTES = 64 * (1 << 20);
const MOST_CHANNELS = 64;

/**
 * {rate, count, claimed, channels}: samples per second, how many are here, and how many there should be; undefined if they
 * cannot be told apart for certain. No more is read than is claimed.
 */
export async function readGroup(item) {
  const Type = TYPES[text(item, "WaveformSampleInterpretation")];
  const [rate, claimed] = [number(item, "SamplingFrequency"), number(item, "NumberOfWaveformSamples")];
  const defined = values(item, "ChannelDefinitionSequence");
  const width = defined.length;
  const size = Type?.BYTES_PER_ELEMENT;
  if (!Type || number(item, "WaveformBitsAllocated") !== 8 * size || !(rate > 0) || !(claimed > 0)) return undefined;
  if (number(item, "NumberOfWaveformChannels") !== width || width > MOST_CHANNELS) return undefined;
  const most = Math.min(claimed, Math.floor(MOST_BYTES / size / width)) * size * width;
  const data = await bytes(item, "WaveformData", { most });
  const padding = await bytes(item, "WaveformPaddingValue", { most: size });
  const count = Math.floor((data?.length ?? 0) / size / width);
  if (!count) return undefined;
  const samples = new Type(data.buffer, 0, count * width);
  const none = padding?.length === size ? new Type(padding.buffer)[0] : undefined;
  const stored = (at) => (index) => (samples[index * width + at] === none ? NaN : samples[index * width + at]);
  return { rate, count, claimed, channels: defined.map((each, at) => channelOf(each, stored(at))) };
}

/** {label, unit, value}: `value(index)` in millivolts for any voltage, NaN where nothing was measured. */
function channelOf(definition, stored) {
  const source = first(definition, "ChannelSourceSequence");
  const label = text(source, "CodeMeaning") || text(definition, "ChannelLabel") || text(source, "CodeValue");
  const sensitivity = number(definition, "ChannelSensitivity");
  const said = text(first(definition, "ChannelSensitivityUnitsSequence"), "CodeValue");
  if (!sensitivity || !said) return { label, unit: "", value: stored };
  const scale = MILLIVOLTS[said] ?? 1;
  const factor = sensitivity * number(definition, "ChannelSensitivityCorrectionFactor", 1) * scale;
  const baseline = number(definition, "ChannelBaseline", 0) * scale;
  return { label, unit: said in MILLIVOLTS ? "mV" : said, value: (index) => stored(index) * factor + baseline };
}
