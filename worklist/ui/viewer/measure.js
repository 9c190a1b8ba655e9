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

/** The text beside it: never millimetres if the scale is unknown. */
export function labelOf(image, { kind, points }) {
  const scale = scaleAt(image, points);
  const aspect = scale ? scale.row / scale.column : image.aspect;
  if (kind === "angle") return points.length === 3 ? `${rounded(degrees(aspect, points))}°` : "";
  if (!scale) return `${rounded(millimetres({ row: aspect, column: 1 }, points))} px`;
  return `${rounded(millimetres(scale, points))} mm${scale.atDetector ? " *" : ""}`;
}

/** `toScreen` maps a point of the image to the canvas. Outlined in black, to be readable on white. */
export function draw(context, image, measures, toScreen) {
  context.font = "600 12px system-ui, sans-serif";
  context.lineJoin = "round";
  context.fillStyle = "#ffd479";
  for (const measure of measures) {
    const points = measure.points.map(toScreen);
    const lines = new Path2D();
    points.forEach(([x, y], index) => (index ? lines.lineTo(x, y) : lines.moveTo(x, y)));
    for (const [x, y] of points) {
      lines.moveTo(x + 3, y);
      lines.arc(x, y, 3, 0, 2 * Math.PI);
    }
    const [x, y] = points[measure.kind === "angle" ? Math.min(1, points.length - 1) : points.length - 1];
    const label = [labelOf(image, measure), x + 8, y - 8];
    for (const [colour, width] of [["#000", 3.5], ["#ffd479", 1.5]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.stroke(lines);
      if (colour === "#000") context.strokeText(...label);
    }
    context.fillText(...label);
  }
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
