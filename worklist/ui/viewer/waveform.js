/** Waveforms, such as an ECG: a strip for each channel, ten seconds at a time, and what the device says of them. */
import { html, useEffect, useRef, useState } from "../core/html.js";
import { moment } from "../core/format.js";
import { number as shown, t } from "../core/strings.js";
import { first, number, text, values } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { Failure, Skeleton } from "../kit/states.js";
import { useContent } from "./content.js";
import { readGroup } from "./samples.js";
import { GAIN, SPEED, WIDTH, drawStrip, fit } from "./trace.js";

const PAGE = WIDTH / SPEED; // seconds
const NARROWEST = 3; // pixels for a millimetre
const MOST_GROUPS = 16;
const MOST_NOTES = 100;

export function Waveform({ dataset }) {
  const acquired = moment(text(dataset, "AcquisitionDateTime"));
  return html`
    <h1>${text(dataset, "SeriesDescription") || t("waveform")}</h1>
    ${acquired && html`<p class="dim">${acquired}</p>`}
    <${Notes} dataset=${dataset} />
    ${values(dataset, "WaveformSequence").filter(Boolean).slice(0, MOST_GROUPS).map((item, index) => html`<${Group} key=${index} item=${item} />`)}
  `;
}

function Group({ item }) {
  const { group, read, problem } = useContent(async () => ({ group: await readGroup(item), read: true }));
  const [page, setPage] = useState(0);
  const [paper, mm] = useScale();
  const label = text(item, "MultiplexGroupLabel");
  return html`<section class="waveform">
    <header>
      ${label && html`<h2>${label}</h2>`}
      ${group && html`<${Facts} item=${item} group=${group} /><${Turn} ...${{ group, page, setPage }} />`}
    </header>
    <div ref=${paper}>
      ${problem && html`<${Failure} problem=${problem} />`}
      ${!problem && !read && html`<${Skeleton} />`}
      ${read && !group && html`<p>${t("waveform.cannot")}</p>`}
      ${mm > 0 && group?.channels.map((channel, index) => html`<${Strip} key=${index} ...${{ channel, mm }} at=${part(group, page)} />`)}
    </div>
  </section>`;
}

/** The samples of a page. */
const part = ({ rate, count }, page) => ({ rate, from: Math.min(count, Math.ceil(page * PAGE * rate)), to: Math.min(count, Math.ceil((page + 1) * PAGE * rate)) });

/** Pixels for a millimetre, such that a strip fills what it is in. */
function useScale() {
  const paper = useRef(null);
  const [mm, setScale] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([{ contentRect }]) => setScale(Math.max(NARROWEST, contentRect.width / WIDTH)));
    watch.observe(paper.current);
    return () => watch.disconnect();
  }, []);
  return [paper, mm];
}

function Facts({ item, group: { rate, count, claimed, channels } }) {
  const filters = values(item, "ChannelDefinitionSequence").map((each) => ["FilterLowFrequency", "FilterHighFrequency"].map((end) => number(each, end)).join("–"));
  const facts = [
    channels.some(({ unit }) => unit === "mV") ? t("waveform.scale") : t("waveform.speed"),
    /\d–\d/.test(filters[0]) && filters.every((each) => each === filters[0]) && `${filters[0]} Hz`,
    count < claimed && t("waveform.part", { seconds: seconds(count / rate) }),
  ];
  return html`<span class="dim">${facts.filter(Boolean).join(" · ")}</span>`;
}

const seconds = (value) => shown(value, { maximumFractionDigits: 1 });

function Turn({ group: { rate, count }, page, setPage }) {
  const all = count / rate;
  if (all <= PAGE) return null;
  const span = { from: seconds(page * PAGE), to: seconds(Math.min(all, (page + 1) * PAGE)), all: seconds(all) };
  return html`<span class="turn">
    <${Button} bare icon="chevron-left" label=${t("waveform.earlier")} disabled=${page === 0} onClick=${() => setPage(page - 1)} />
    ${t("waveform.span", span)}
    <${Button} bare icon="chevron-right" label=${t("waveform.later")} disabled=${(page + 1) * PAGE >= all} onClick=${() => setPage(page + 1)} />
  </span>`;
}

function Strip({ channel, mm, at }) {
  const canvas = useRef(null);
  const scale = fit(channel, at.from, at.to);
  const said = [channel.label, scaleOf(channel, scale)].filter(Boolean).join(" · ");
  useEffect(() => drawStrip(canvas.current, channel, scale, { mm, at }), [mm, at.from]);
  return html`<figure>
    <canvas ref=${canvas} role="img" aria-label=${said}></canvas>
    <figcaption>${said}</figcaption>
  </figure>`;
}

/** Said of a channel if it is not that of all. */
function scaleOf({ unit }, { gain, range }) {
  if (unit === "mV") return gain === GAIN ? "" : `${shown(gain, { maximumSignificantDigits: 3 })} mm/mV`;
  const ends = range.map((each) => shown(each, { maximumSignificantDigits: 3 })).join(" – ");
  return unit ? `${ends} ${unit}` : t("waveform.unscaled");
}

/** Interpretations and measurements, as the device made them. */
function Notes({ dataset }) {
  const notes = values(dataset, "WaveformAnnotationSequence").filter(Boolean).slice(0, MOST_NOTES);
  const plain = notes.map((each) => text(each, "UnformattedTextValue")).filter(Boolean);
  const measured = notes.filter((each) => text(each, "NumericValue") && meaning(each, "ConceptNameCodeSequence"));
  return html`${plain.map((each, index) => html`<p key=${index}>${each}</p>`)}
    <dl class="notes">
      ${measured.map(
        (each, index) => html`<div key=${index}>
          <dt>${meaning(each, "ConceptNameCodeSequence")}</dt>
          <dd>${text(each, "NumericValue")} ${text(first(each, "MeasurementUnitsCodeSequence"), "CodeValue")}</dd>
        </div>`,
      )}
    </dl>`;
}

const meaning = (dataset, sequence) => text(first(dataset, sequence), "CodeMeaning");
