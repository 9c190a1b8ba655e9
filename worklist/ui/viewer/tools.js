/** The row of tools, and what each does to the active pane. */
import { html } from "../core/html.js";
import { t } from "../core/strings.js";
import { Button } from "../kit/button.js";
import { LAYOUTS } from "./desk.js";

const WINDOWS = [
  ["default"],
  ["abdomen", { center: 40, width: 400 }],
  ["lung", { center: -600, width: 1500 }],
  ["bone", { center: 500, width: 2500 }],
  ["brain", { center: 40, width: 80 }],
];
const PLAIN = [["default"], ["full"]];

/** Windows in Hounsfield units for CT; for others, the one that was sent and the full range. */
const presetsOf = (series) => (series?.modality === "CT" ? WINDOWS : PLAIN);

export const TOOLS = [
  ["window", "circle-half", "w"],
  ["scroll", "list-task", "s"],
  ["pan", "arrows-move", "h"],
  ["zoom", "zoom-in", "z"],
  ["length", "arrows", "l"],
  ["angle", "triangle", "a"],
];

export const nextLayout = (desk) => desk.arrange(LAYOUTS[(LAYOUTS.indexOf(desk.layout.value) + 1) % LAYOUTS.length]);

export function clearMeasures(pane) {
  if (pane.image) pane.measures.delete(pane.image.key);
  pane.redraw();
}

export function toggleInvert(pane) {
  pane.invert.value = !pane.invert.value;
  pane.redraw();
}

export function Tools({ desk }) {
  const { pane } = desk;
  const disabled = pane.series.value?.kind !== "image";
  const presets = presetsOf(pane.series.value);
  const chosen = presets.findIndex(([, window]) => window && window.center === pane.window.value?.center && window.width === pane.window.value?.width);
  const choose = (event) => applyPreset(pane, Number(event.currentTarget.value));
  return html`<section class="tools" aria-label=${t("viewer.tools")}>
    ${TOOLS.map(
      ([id, icon, key]) => html`<${Button} key=${id} bare icon=${icon} label=${t(`tool.${id}`)} keys=${key} pressed=${desk.tool.value === id} onClick=${() => (desk.tool.value = id)} />`,
    )}
    <span class="rule"></span>
    <select disabled=${disabled} aria-label=${t("viewer.presets")} title=${`${t("viewer.presets")} (1–5)`} onChange=${choose}>
      ${presets.map(([id], index) => html`<option key=${id} value=${index} selected=${index === Math.max(chosen, 0)}>${index + 1} ${t(`viewer.preset.${id}`)}</option>`)}
    </select>
    <${Button} bare icon="brightness-high" label=${t("viewer.invert")} keys="i" pressed=${pane.invert.value} disabled=${disabled} onClick=${() => toggleInvert(pane)} />
    <${Button} bare icon="arrow-counterclockwise" label=${t("viewer.reset")} keys="r" disabled=${disabled} onClick=${() => pane.reset()} />
    <${Button} bare icon="eraser" label=${t("viewer.clear")} keys="Delete" disabled=${disabled} onClick=${() => clearMeasures(pane)} />
    <span class="rule"></span>
    <${Button} bare icon=${pane.playing.value ? "pause-fill" : "play-fill"} label=${t("viewer.cine")} keys="c" pressed=${pane.playing.value} disabled=${disabled || pane.images.length < 2} onClick=${() => pane.play()} />
    <${Button} bare icon="link-45deg" label=${t("viewer.link")} keys="y" pressed=${desk.linked.value} onClick=${() => (desk.linked.value = !desk.linked.value)} />
    <span class="rule"></span>
    ${LAYOUTS.map(
      (id) => html`<${Button} key=${id} label=${id.replace("x", "×")} pressed=${desk.layout.value === id} title=${`${t("viewer.layout")} (g)`} onClick=${() => desk.arrange(id)} />`,
    )}
    <span class="gap"></span>
    <${Button} icon="tags" label=${t("viewer.tags")} keys="t" onClick=${() => (desk.opened.value = "tags")} />
    <${Button} bare icon="question-circle" label=${t("nav.help")} keys="?" onClick=${() => (desk.opened.value = "help")} />
  </section>`;
}

export function applyPreset(pane, index) {
  const [id, window] = presetsOf(pane.series.value)[index] ?? [];
  if (id) pane.preset(window ?? id);
}
