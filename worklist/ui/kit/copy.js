import { t } from "../core/strings.js";
import { toast } from "./toast.js";

/** To the clipboard, where the browser lets us (it does on localhost and over HTTPS). */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("copied"));
  } catch {
    toast(text);
  }
}
