/** What is drawn over pictures: letters of the patient's sides, a scale bar, names, measures. */

export const INK = "#e2e8f0";
export const SHADOW = "#0a0d10";
export const MEASURE = "#ff9ff3";
const FONT = 'system-ui, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';
const LONGEST = 40;
const BARS_MM = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

/** A canvas whose pixels fit the screen's, cleared, measured in CSS pixels. */
export function prepared(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const wide = Math.floor(canvas.clientWidth * ratio);
  const tall = Math.floor(canvas.clientHeight * ratio);
  if (!wide || !tall) return null;
  if (canvas.width !== wide || canvas.height !== tall) [canvas.width, canvas.height] = [wide, tall];
  const pen = canvas.getContext("2d");
  if (!pen) return null;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, tall);
  return pen;
}

export function write(
  pen: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  { size = 12, color = INK, align = "left" as CanvasTextAlign, base = "middle" as CanvasTextBaseline, bold = false } = {},
): void {
  pen.font = `${bold ? "600 " : ""}${size}px ${FONT}`;
  pen.textAlign = align;
  pen.textBaseline = base;
  pen.lineJoin = "round";
  pen.lineWidth = 3.5;
  pen.strokeStyle = SHADOW;
  pen.fillStyle = color;
  pen.direction = "ltr";
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

/** A name as it is drawn: characters that turn the text round are left out, long ones cut. */
export function shortened(name: string): string {
  const shown = name.replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, "");
  const letters = [...shown];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join("")}…` : shown;
}

/** The patient's sides at the left, right, top and bottom edge. */
export function drawLetters(pen: CanvasRenderingContext2D, wide: number, tall: number, sides: string[]): void {
  const places: [number, number, CanvasTextAlign, CanvasTextBaseline][] = [
    [8, tall / 2, "left", "middle"],
    [wide - 8, tall / 2, "right", "middle"],
    [wide / 2, 8, "center", "top"],
    [wide / 2, tall - 8, "center", "bottom"],
  ];
  places.forEach(([x, y, align, base], n) => write(pen, sides[n], x, y, { size: 17, align, base, bold: true }));
}

export function drawScale(pen: CanvasRenderingContext2D, wide: number, tall: number, perMm: number): void {
  const bar = BARS_MM.filter((length) => length * perMm <= wide / 4).at(-1) ?? BARS_MM[0];
  const [x, y, end] = [10, tall - 10, 10 + bar * perMm];
  for (const [color, width] of [
    [SHADOW, 5],
    [INK, 2],
  ] as const) {
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(x, y - 4);
    pen.lineTo(x, y);
    pen.lineTo(end, y);
    pen.lineTo(end, y - 4);
    pen.stroke();
  }
  write(pen, `${bar} mm`, x, y - 14);
}

/** A small ring, with a name beside it. */
export function drawPoint(pen: CanvasRenderingContext2D, x: number, y: number, name: string, color: string): void {
  pen.lineWidth = 4;
  pen.strokeStyle = SHADOW;
  ring(pen, x, y);
  pen.lineWidth = 2;
  pen.strokeStyle = color;
  ring(pen, x, y);
  if (name) write(pen, shortened(name), x + 9, y - 9, { color });
}

function ring(pen: CanvasRenderingContext2D, x: number, y: number): void {
  pen.beginPath();
  pen.arc(x, y, 4.5, 0, 2 * Math.PI);
  pen.stroke();
}

export function drawLine(
  pen: CanvasRenderingContext2D,
  points: [number, number][],
  color: string,
  width = 2,
  dashes: number[] = [],
): void {
  pen.setLineDash(dashes);
  for (const [ink, wide] of [
    [SHADOW, width + 2],
    [color, width],
  ] as const) {
    pen.strokeStyle = ink;
    pen.lineWidth = wide;
    pen.beginPath();
    points.forEach(([x, y], n) => (n ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
  }
  pen.setLineDash([]);
}

/** Names beside their places, each where it hides no earlier one. */
export class Names {
  private readonly taken: [number, number, number, number][] = [];

  constructor(
    readonly pen: CanvasRenderingContext2D,
    readonly wide: number,
  ) {}

  put(name: string, [x, y]: [number, number], color: string): void {
    const text = shortened(name);
    this.pen.font = `12px ${FONT}`;
    const long = this.pen.measureText(text).width;
    const places: [number, number][] = [
      [x + 9, y - 9],
      [x + 9, y + 10],
      [x - 9 - long, y - 9],
      [x - 9 - long, y + 10],
      [x + 9, y - 24],
      [x + 9, y + 25],
    ];
    const free = ([left, middle]: [number, number]) =>
      left > 2 &&
      left + long < this.wide - 2 &&
      this.taken.every(([l, t, r, b]) => left > r || left + long < l || middle - 7 > b || middle + 7 < t);
    const [left, middle] = places.find(free) ?? places[0];
    this.taken.push([left, middle - 7, left + long, middle + 7]);
    write(this.pen, text, left, middle, { color });
  }
}
