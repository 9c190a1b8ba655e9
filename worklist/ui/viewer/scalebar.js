/** A scale in centimetres at the right edge of the picture. */
const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200]; // millimetres
const TICKS = 10;

/** `size`: millimetres for each screen pixel, down. */
export function drawScale(context, size, width, height) {
  const most = Math.min(height * 0.4, 240) * size;
  const length = LENGTHS.findLast((each) => each <= most);
  if (!length) return;
  const tall = length / size;
  const x = width - 20;
  const top = (height - tall) / 2;
  context.save();
  context.strokeStyle = context.fillStyle = "#d5dae1";
  context.shadowColor = "#000"; // visible on white, too
  context.shadowBlur = 3;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x, top + tall);
  for (let tick = 0; tick <= TICKS; tick++) {
    const y = top + (tall * tick) / TICKS;
    context.moveTo(x, y);
    context.lineTo(x - (tick % 5 ? 4 : 8), y);
  }
  context.stroke();
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  context.fillText(length >= 10 ? `${length / 10} cm` : `${length} mm`, x - 10, top + tall + 4);
  context.restore();
}
