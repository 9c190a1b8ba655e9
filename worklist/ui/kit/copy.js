import { t } from "../core/strings.js";
import { toast } from "./toast.js";

/** Copies to the clipboard if the browser allows it, as it does on localhost and over HTTPS. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("copied"));
  } catch {
    toast(text);
  }
}
