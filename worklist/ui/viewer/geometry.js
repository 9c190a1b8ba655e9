/** Vectors of the patient's coordinate system: +x to the left, +y to the back, +z to the head (PS3.3 §C.7.6.2.1.1). */
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

export const parallel = (a, b) => Boolean(a && b) && Math.abs(dot(a, b)) > 0.99;

const LETTERS = [["L", "R"], ["P", "A"], ["H", "F"]];
const OPPOSITE = { L: "R", R: "L", P: "A", A: "P", H: "F", F: "H" };
const FAINT = 0.2;

/** Where a direction points, the strongest part first: "L", "AH". */
export const letters = (vector) =>
  vector
    .map((part, axis) => ({ size: Math.abs(part), letter: LETTERS[axis][part < 0 ? 1 : 0] }))
    .filter((each) => each.size > FAINT)
    .sort((a, b) => b.size - a.size)
    .map((each) => each.letter)
    .join("");

export const opposite = (text) => [...text].map((letter) => OPPOSITE[letter] ?? "").join("");

/** Sorted along the normal if all lie in distinct parallel planes; otherwise by number. */
export function sorted(images, numberOf) {
  const [firstOne] = images;
  const stacked =
    images.length > 1 &&
    images.every((image) => image.depth !== undefined && parallel(image.normal, firstOne.normal)) &&
    new Set(images.map((image) => image.depth.toFixed(3))).size === images.length;
  const numbered = [...images].sort((a, b) => numberOf(a) - numberOf(b) || a.frame - b.frame);
  if (!stacked) return numbered;
  const byDepth = [...images].sort((a, b) => a.depth - b.depth);
  const backwards = numbered[0].depth > numbered[numbered.length - 1].depth;
  return backwards ? byDepth.reverse() : byDepth;
}
