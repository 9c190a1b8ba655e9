/** Mammograms side by side: the right breast left, the left one right, chest wall to chest wall. */
import { text } from "../dicom/dataset.js";
import { opposite } from "./geometry.js";

const viewOf = ({ dataset }) => text(dataset, "ViewPosition");

/**
 * Which breast an image is of, and whether it must be mirrored for its chest wall to lie in the middle. Undefined if that
 * is not certain, or if it is upside down: its lower edge must be towards the feet or, from above, the other breast.
 */
function breastOf(image) {
  const side = image?.laterality;
  if (!["R", "L"].includes(side) || text(image.dataset, "Modality") !== "MG") return undefined;
  const [right, bottom] = image.directions.map((each) => each[0]);
  if (!["A", "P"].includes(right) || !["F", opposite(side)].includes(bottom)) return undefined;
  return { side, mirrored: (side === "R") === (right === "A") };
}

/** How an image hangs beside the other of its row: {mirrored, edge}, its edge in the middle; undefined: as stored. */
export function hangingOf(left, right, image) {
  const [one, other] = [left, right].map(breastOf);
  if (one?.side !== "R" || other?.side !== "L") return undefined;
  return image === left ? { mirrored: one.mirrored, edge: 1 } : { mirrored: other.mirrored, edge: -1 };
}

/** Panes in rows of two: as they are, unless they show as many right breasts as left ones. */
export function inPairs(panes) {
  const of = (side) => panes.filter(({ image }) => breastOf(image)?.side === side).sort((a, b) => viewOf(a.image).localeCompare(viewOf(b.image)));
  const [right, left] = [of("R"), of("L")];
  if (right.length !== left.length || right.length + left.length !== panes.length) return panes;
  return right.flatMap((pane, index) => [pane, left[index]]);
}
