/** DICOM values in readable form. Dates and times are those at the place of acquisition, never shifted. */
import { formatter, t } from "./strings.js";

/** `19990102` as a date; undefined if it is not one. */
export function date(text) {
  const found = /^(\d{4})[.\-]?(\d\d)[.\-]?(\d\d)$/.exec(text ?? "");
  if (!found) return undefined;
  const made = new Date(Date.UTC(+found[1], found[2] - 1, +found[3]));
  return made.getUTCMonth() === found[2] - 1 && made.getUTCDate() === +found[3] ? made : undefined;
}

export function day(text) {
  const found = date(text);
  if (!found) return text ?? "";
  return formatter("DateTimeFormat", { dateStyle: "medium", timeZone: "UTC" }).format(found);
}

/** `1304` or `130405.12` as 13:04. */
export function clock(text) {
  const found = /^(\d\d):?(\d\d)/.exec(text ?? "");
  return found ? `${found[1]}:${found[2]}` : "";
}

/** `20001206120000.00+0100` as a date and a time, as far as they are given, with the offset from UTC if there is one. */
export function moment(text) {
  const [, digits, offset] = /^(\d*)[^+-]*([+-]\d{4})?/.exec(text ?? "");
  const zone = offset && `UTC${offset.slice(0, 3)}:${offset.slice(3)}`;
  return [day(digits.slice(0, 8)), clock(digits.slice(8)), digits.length > 8 && zone].filter(Boolean).join(" ");
}

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const ZONE = known(document.querySelector('meta[name="time-zone"]')?.content) ?? HERE;

function known(zone) {
  try {
    return zone ? new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone : undefined;
  } catch {
    return undefined; // this browser does not know it
  }
}

const TO_THE_MINUTE = { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZone: ZONE };

/** A time of the server in the organisation's time zone, which is named if ours is another. */
export const when = (instant) =>
  formatter("DateTimeFormat", ZONE === HERE ? TO_THE_MINUTE : { ...TO_THE_MINUTE, timeZoneName: "short" }).format(new Date(instant));

/** The same to the second, and with the zone. */
export function exactly(instant) {
  const exact = formatter("DateTimeFormat", { dateStyle: "full", timeStyle: "long", timeZone: ZONE }).format(new Date(instant));
  return `${exact} (${ZONE})`;
}

const HOUR = 3_600_000;

/** The distance of a time from now: in 29 days, in 5 hours. */
export function from(instant) {
  const hours = (new Date(instant) - Date.now()) / HOUR;
  const [value, unit] = Math.abs(hours) < 48 ? [hours, "hour"] : [hours / 24, "day"];
  return formatter("RelativeTimeFormat", { numeric: "auto" }).format(Math.round(value), unit);
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

/** Age on a day, in whole years, or in months or days for the very young; none if the day is unknown. */
export function age(birth, at) {
  const from = date(birth);
  const to = date(at);
  if (!from || !to || to < from) return "";
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
