/** The calibrated regions of an ultrasound image, each with its own scale (PS3.3 §C.8.5.5). */
import { number, values } from "../dicom/dataset.js";

const TISSUE = 1; // of Region Spatial Format; others are motion, a spectrum, a wave form or graphics over time
const CENTIMETRES = 3;

/** [{left, top, right, bottom, spacing}] in pixels; `spacing` in millimetres, undefined if nothing can be measured there. */
export function regionsOf(dataset, { rows, columns }) {
  const found = values(dataset, "SequenceOfUltrasoundRegions").filter(Boolean).map(region).filter(({ format }) => format > 0);
  const fits = ({ left, top, right, bottom }) => left >= 0 && top >= 0 && right <= columns && bottom <= rows;
  return found.every(fits) ? found : []; // they are for a matrix of another size
}

function region(item) {
  const [format, left, top, right, bottom] = ["Format", "MinX0", "MinY0", "MaxX1", "MaxY1"].map((each) => number(item, `Region${each}`, 0));
  const [column, row] = ["X", "Y"].map((each) => {
    const inCentimetres = number(item, `PhysicalUnits${each}`) === CENTIMETRES;
    return inCentimetres ? 10 * Math.abs(number(item, `PhysicalDelta${each}`, 0)) : 0;
  });
  const spacing = format === TISSUE && row > 0 && column > 0 ? { row, column } : undefined;
  return { format, left, top, right: right + 1, bottom: bottom + 1, spacing };
}

const alike = (a, b) => Boolean(a && b) && a.row === b.row && a.column === b.column;
const agreed = (regions) => (regions.every((each) => alike(each.spacing, regions[0].spacing)) ? regions[0]?.spacing : undefined);

/** Millimetres between rows and between columns for points of an image: its own, or those of the region they are all in. */
export function scaleAt({ spacing, regions = [] }, points) {
  const inside = ({ left, top, right, bottom }, [x, y]) => x >= left && x <= right && y >= top && y <= bottom;
  return spacing ?? agreed(regions.filter((each) => points.every((point) => inside(each, point))));
}

/** The spacing that all regions showing tissue share. */
export const scaleOf = ({ spacing, regions = [] }) => spacing ?? agreed(regions.filter(({ format }) => format === TISSUE));
