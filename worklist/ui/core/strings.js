/** Every text that is shown: one catalogue per language, with English where a key is missing. */
import { signal } from "./html.js";
import en from "../strings/en.js";

export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };

const LOAD = {
  de: () => import("../strings/de.js"),
  fr: () => import("../strings/fr.js"),
  es: () => import("../strings/es.js"),
};

export const language = signal("en");
let words = en;
let wanted = "en";

/** Rejects if its texts cannot be fetched. */
export async function speak(code) {
  const known = code in LANGUAGES ? code : "en";
  wanted = known;
  const loaded = known === "en" ? en : (await LOAD[known]()).default;
  if (wanted !== known) return; // another one was chosen meanwhile
  words = loaded;
  document.documentElement.lang = known;
  language.value = known;
}

export const preferred = () =>
  localStorage.getItem("language") ?? navigator.languages.map((each) => each.slice(0, 2)).find((each) => each in LANGUAGES);

/** `t("studies.found", { count: 3 })`: fills in `{count}`; `key.one` is used if count is 1. */
export function t(key, values = {}) {
  language.value; // components that show texts are rendered again when the language changes
  const chosen = values.count === 1 && (words[`${key}.one`] ?? en[`${key}.one`]);
  const text = chosen || (words[key] ?? en[key] ?? key);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? format(values[name]) : whole));
}

const format = (value) => (typeof value === "number" ? number(value) : String(value));

export const number = (value, options) => formatter("NumberFormat", options).format(value);

/** The language with the reader's region, for dates and numbers: en-GB if the browser says so. */
export const region = () => navigator.languages.find((each) => each.split("-")[0] === language.value) ?? language.value;

const formatters = new Map(); // slow to make, and a scrolling viewer writes numbers sixty times a second

/** `kind` of Intl: "NumberFormat", "DateTimeFormat". */
export function formatter(kind, options) {
  const key = JSON.stringify([kind, region(), options]);
  if (!formatters.has(key)) formatters.set(key, new Intl[kind](region(), options));
  return formatters.get(key);
}
