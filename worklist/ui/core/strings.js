/** Every word that is shown: one catalogue a language, English where a key is missing. */
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

export async function speak(code) {
  const known = code in LANGUAGES ? code : "en";
  words = known === "en" ? en : (await LOAD[known]()).default;
  document.documentElement.lang = known;
  language.value = known;
}

export const preferred = () =>
  localStorage.getItem("language") ?? navigator.languages.map((each) => each.slice(0, 2)).find((each) => each in LANGUAGES);

/** `t("studies.found", { count: 3 })`: `{count}` is filled in; `key.one` is taken when count is 1. */
export function t(key, values = {}) {
  language.value; // whoever shows words is shown again when the language changes
  const chosen = values.count === 1 && (words[`${key}.one`] ?? en[`${key}.one`]);
  const text = chosen || (words[key] ?? en[key] ?? key);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? format(values[name]) : whole));
}

const format = (value) => (typeof value === "number" ? number(value) : String(value));

export const number = (value) => new Intl.NumberFormat(language.value).format(value);
