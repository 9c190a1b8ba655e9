/** Lengths and angles: points in the image's own pixels, [column, row] from the corner of the first. */
import { number as shown } from "../core/strings.js";
import { scaleAt } from "./regions.js";

export const POINTS = { length: 2, angle: 3 };
const NEAR = 12; // pixels of the screen

const millimetres = ({ row, column }, [a, b]) => Math.hypot((b[0] - a[0]) * column, (b[1] - a[1]) * row);

/** Degrees at the middle point. */
function degrees(aspect, [a, b, c]) {
  const way = (from, to) => [to[0] - from[0], (to[1] - from[1]) * aspect];
  const [u, v] = [way(b, a), way(b, c)];
  const size = Math.hypot(...u) * Math.hypot(...v);
  return size ? (Math.acos(Math.max(-1, Math.min(1, (u[0] * v[0] + u[1] * v[1]) / size))) * 180) / Math.PI : 0;
}

const rounded = (value) => shown(Math.round(value * 10) / 10);

/** What stands beside it: never millimetres that nobody knows. */
export function labelOf(image, { kind, points }) {
  const scale = scaleAt(image, points);
  const aspect = scale ? scale.row / scale.column : image.aspect;
  if (kind === "angle") return points.length === 3 ? `${rounded(degrees(aspect, points))}°` : "";
  if (!scale) return `${rounded(millimetres({ row: aspect, column: 1 }, points))} px`;
  return `${rounded(millimetres(scale, points))} mm${scale.atDetector ? " *" : ""}`;
}

/** `toScreen`: a point of the image on the canvas. */
export function draw(context, image, measures, toScreen) {
  context.lineWidth = 1.5;
  context.font = "600 12px system-ui, sans-serif";
  for (const measure of measures) {
    const points = measure.points.map(toScreen);
    context.strokeStyle = context.fillStyle = "#ffd479";
    context.shadowColor = "#000";
    context.shadowBlur = 3;
    context.beginPath();
    points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
    for (const [x, y] of points) {
      context.beginPath();
      context.arc(x, y, 3, 0, 2 * Math.PI);
      context.stroke();
    }
    const [x, y] = points[measure.kind === "angle" ? Math.min(1, points.length - 1) : points.length - 1];
    context.fillText(labelOf(image, measure), x + 8, y - 8);
  }
  context.shadowBlur = 0;
}

/** The point under the pointer: {measure, index}. */
export function grab(measures, toScreen, x, y) {
  for (const measure of [...measures].reverse()) {
    const index = measure.points.findIndex((point) => {
      const [px, py] = toScreen(point);
      return Math.hypot(px - x, py - y) < NEAR;
    });
    if (index >= 0) return { measure, index };
  }
  return undefined;
}
