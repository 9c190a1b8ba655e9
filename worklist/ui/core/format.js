/** What DICOM writes, as people read it. */
import { language, t } from "./strings.js";

/** `19990102` as a date, undefined when it is none. */
export function date(text) {
  const found = /^(\d{4})[.\-]?(\d\d)[.\-]?(\d\d)$/.exec(text ?? "");
  if (!found) return undefined;
  const made = new Date(Date.UTC(+found[1], found[2] - 1, +found[3]));
  return made.getUTCDate() === +found[3] ? made : undefined;
}

export function day(text) {
  const found = date(text);
  if (!found) return text ?? "";
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeZone: "UTC" }).format(found);
}

/** `1304` or `130405.12` as 13:04. */
export function clock(text) {
  const found = /^(\d\d):?(\d\d)/.exec(text ?? "");
  return found ? `${found[1]}:${found[2]}` : "";
}

/** `20001206120000.00+0100` as a date and a time, as far as it says. */
export const moment = (text) => [day(text?.slice(0, 8)), clock(text?.slice(8))].filter(Boolean).join(" ");

/** An instant of the REST API as a date and a time of where we are. */
export const when = (instant) =>
  new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(new Date(instant));

const HOUR = 3_600_000;

/** How far off an instant is: in 29 days, in 5 hours. */
export function from(instant) {
  const hours = (new Date(instant) - Date.now()) / HOUR;
  const [value, unit] = Math.abs(hours) < 48 ? [hours, "hour"] : [hours / 24, "day"];
  return new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(Math.round(value), unit);
}

/** A name's groups, each with family name first and in full: Alphabetic, Ideographic, Phonetic. */
export function nameGroups(name) {
  if (!name) return [];
  const groups = typeof name === "string" ? name.split("=") : [name.Alphabetic, name.Ideographic, name.Phonetic];
  return groups.map(nameGroup).filter(Boolean);
}

function nameGroup(text) {
  if (!text) return "";
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = text.split("^");
  const rest = [prefix, given, middle, suffix].filter(Boolean).join(" ");
  return [family, rest].filter(Boolean).join(", ");
}

export const personName = (name) => nameGroups(name).join(" · ") || t("unnamed");

/** Age on a day, in whole years, or months and days for the very young. */
export function age(birth, at) {
  const from = date(birth);
  const to = date(at) ?? new Date();
  if (!from || to < from) return "";
  const months =
    (to.getUTCFullYear() - from.getUTCFullYear()) * 12 +
    to.getUTCMonth() -
    from.getUTCMonth() -
    (to.getUTCDate() < from.getUTCDate() ? 1 : 0);
  if (months >= 24) return t("age.years", { count: Math.floor(months / 12) });
  if (months >= 2) return t("age.months", { count: months });
  return t("age.days", { count: Math.round((to - from) / 86_400_000) });
}

export const sex = (code) => ({ F: t("sex.F"), M: t("sex.M"), O: t("sex.O") })[code] ?? code ?? "";

export const list = (value) => (Array.isArray(value) ? value.join(", ") : value ?? "");
