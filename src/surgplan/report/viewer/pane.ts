/** One of the three slices: the scan's voxels as they are, with outlines, points, trajectories and measures. */
import { drawLetters, drawLine, drawPoint, drawScale, MEASURE, prepared, shortened, write } from "./ink";
import { measured } from "./measure";
import { outline } from "./outline";
import { Scan, SliceAxes } from "./scan";
import { Mesh, Scene } from "./scene";
import { State } from "./state";
import { dot, letters, scale, subtract, Vector } from "./vectors";

const CROSS = "rgba(140, 192, 238, 0.75)";
const POINT_COLOR = "#ffd940";
const PATH_COLOR = "#40f2ff";

export class Pane {
  readonly axes: SliceAxes;
  /** The slice as it is in the scan: one pixel for each voxel. */
  readonly picture = document.createElement("canvas");
  zoom = 1;
  private drawnFor = "";
  private shown = "";
  private lines: { key: string; segments: Float32Array }[];
  private pixels: ImageData;

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly scan: Scan,
    readonly scene: Scene,
    readonly meshes: Mesh[],
    plane: number,
  ) {
    this.axes = new SliceAxes(scan, plane);
    const { size } = scan.facts;
    this.picture.width = size[this.axes.across];
    this.picture.height = size[this.axes.down];
    this.pixels = new ImageData(this.picture.width, this.picture.height);
    this.lines = meshes.map(() => ({ key: "", segments: new Float32Array() }));
  }

  /** The number of the slice that is shown. */
  at(state: State): number {
    return this.scan.clamped(this.scan.index(state.cross))[this.axes.through];
  }

  /** The four corners of the slice: upper left, upper right, lower left, lower right, at the voxels' outer edges. */
  corners(state: State): Vector[] {
    const { across, down, through, turnedAcross, turnedDown } = this.axes;
    const { size } = this.scan.facts;
    return [0, 1, 2, 3].map((n) => {
      const index: Vector = [0, 0, 0];
      const right = (n % 2 === 1) !== turnedAcross;
      const low = n > 1 !== turnedDown;
      index[across] = right ? size[across] - 0.5 : -0.5;
      index[down] = low ? size[down] - 0.5 : -0.5;
      index[through] = this.at(state);
      return this.scan.place(index);
    });
  }

  /** Draws the voxels anew where slice or window have changed; tells whether they have. */
  refresh(state: State): boolean {
    const at = this.at(state);
    const key = `${at} ${state.window.level} ${state.window.width}`;
    if (key === this.drawnFor) return false;
    this.scan.draw(this.pixels, this.axes, at, state.window.level, state.window.width);
    this.picture.getContext("2d")?.putImageData(this.pixels, 0, 0);
    this.drawnFor = key;
    return true;
  }

  /** Draws what has changed: while structures are turned, slices stay as they are. */
  draw(state: State, pending: Vector[]): void {
    const { clientWidth: wide, clientHeight: tall } = this.canvas;
    const { cross, window: seen, looks, measures } = state;
    const key = JSON.stringify([cross, seen, looks, measures, pending, this.zoom, wide, tall, devicePixelRatio]);
    if (key === this.shown) return;
    const pen = prepared(this.canvas);
    if (!pen) return;
    this.shown = key;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, wide, tall);
    const [left, top] = this.project(state, this.corners(state)[0]);
    const [right, bottom] = this.project(state, this.corners(state)[3]);
    // enlarged voxels show their edges; small ones are interpolated
    pen.imageSmoothingEnabled = (right - left) / this.picture.width < 6;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.picture, left, top, right - left, bottom - top);
    this.drawOutlines(pen, state);
    this.drawCross(pen, state, wide, tall);
    this.drawPlan(pen, state);
    this.drawMeasures(pen, state, pending);
    drawLetters(pen, wide, tall, this.sides);
    drawScale(pen, wide, tall, this.perMm());
    const full = this.scan.fullIndex(this.scan.clamped(this.scan.index(state.cross)));
    const { through, name } = this.axes;
    write(pen, `${name} ${full[through] + 1} / ${this.scan.facts.full_size[through]}`, 8, 14, { bold: true });
  }

  /** The patient's sides at the left, right, top and bottom edge. */
  get sides(): string[] {
    const { right, bottom } = this.axes;
    return [scale(right, -1), right, scale(bottom, -1), bottom].map(letters);
  }

  /** Pixels for each mm. */
  perMm(): number {
    const { size, spacing } = this.scan.facts;
    const { across, down } = this.axes;
    const fit = Math.min(
      this.canvas.clientWidth / (size[across] * spacing[across]),
      this.canvas.clientHeight / (size[down] * spacing[down]),
    );
    return fit * this.zoom;
  }

  /** Where a place, seen along the slice's normal, lies in the picture. */
  project(state: State, at: Vector): [number, number] {
    return this.projection(state)(at[0], at[1], at[2]);
  }

  /** The same as a function, for many places. */
  private projection(state: State): (x: number, y: number, z: number) => [number, number] {
    const perMm = this.perMm();
    const [rx, ry, rz] = scale(this.axes.right, perMm);
    const [bx, by, bz] = scale(this.axes.bottom, perMm);
    const focus = this.focus(state);
    const left = this.canvas.clientWidth / 2 - (rx * focus[0] + ry * focus[1] + rz * focus[2]);
    const top = this.canvas.clientHeight / 2 - (bx * focus[0] + by * focus[1] + bz * focus[2]);
    return (x, y, z) => [left + rx * x + ry * y + rz * z, top + bx * x + by * y + bz * z];
  }

  /** The place in the slice at a pixel. */
  place(state: State, x: number, y: number): Vector {
    const perMm = this.perMm();
    const across = (x - this.canvas.clientWidth / 2) / perMm;
    const down = (y - this.canvas.clientHeight / 2) / perMm;
    const focus = this.focus(state);
    const at = [0, 1, 2].map((n) => focus[n] + this.axes.right[n] * across + this.axes.bottom[n] * down) as Vector;
    const index = this.scan.index(at);
    index[this.axes.through] = this.at(state);
    const { size } = this.scan.facts;
    return this.scan.place(index.map((value, n) => Math.min(size[n] - 0.5, Math.max(-0.5, value))) as Vector);
  }

  /** mm from the slice to a place, along the slice's normal. */
  depth(state: State, at: Vector): number {
    const through = this.axes.through;
    return (this.scan.index(at)[through] - this.at(state)) * this.scan.facts.spacing[through];
  }

  /** What lies in the middle of the picture: the scan's middle, or, enlarged, the cross. */
  private focus(state: State): Vector {
    if (this.zoom > 1) return state.cross;
    return this.scan.place(this.scan.facts.size.map((n) => (n - 1) / 2) as Vector);
  }

  private drawOutlines(pen: CanvasRenderingContext2D, state: State): void {
    const { through } = this.axes;
    const normal = this.scan.axes[through];
    const index: Vector = [0, 0, 0];
    index[through] = this.at(state);
    const offset = dot(normal, this.scan.place(index));
    const project = this.projection(state);
    this.meshes.forEach((mesh, n) => {
      if (!state.looks[n].visible) return;
      const known = this.lines[n];
      const key = String(index[through]);
      if (known.key !== key) this.lines[n] = { key, segments: outline(mesh, normal, offset) };
      pen.strokeStyle = this.scene.structures[n].outline;
      pen.lineWidth = 1.5;
      pen.beginPath();
      const { segments } = this.lines[n];
      for (let at = 0; at < segments.length; at += 6) {
        pen.moveTo(...project(segments[at], segments[at + 1], segments[at + 2]));
        pen.lineTo(...project(segments[at + 3], segments[at + 4], segments[at + 5]));
      }
      pen.stroke();
    });
  }

  private drawCross(pen: CanvasRenderingContext2D, state: State, wide: number, tall: number): void {
    const [x, y] = this.project(state, state.cross);
    pen.strokeStyle = CROSS;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [from, to] of [
      [[x, 0], [x, y - 8]],
      [[x, y + 8], [x, tall]],
      [[0, y], [x - 8, y]],
      [[x + 8, y], [wide, y]],
    ]) {
      pen.moveTo(from[0], from[1]);
      pen.lineTo(to[0], to[1]);
    }
    pen.stroke();
  }

  private drawPlan(pen: CanvasRenderingContext2D, state: State): void {
    const near = Math.max(1.5, this.scan.facts.spacing[this.axes.through] * 0.5 + 0.01);
    for (const path of this.scene.trajectories) {
      const depths = [path.entry, path.target].map((at) => this.depth(state, at));
      const ends = [path.entry, path.target].map((at) => this.project(state, at));
      drawLine(pen, ends, PATH_COLOR, 1, [4, 5]);
      const share = depths[0] / (depths[0] - depths[1]);
      if (!(share >= 0 && share <= 1)) continue;
      const along = subtract(path.target, path.entry);
      const at = this.project(state, path.entry.map((value, n) => value + share * along[n]) as Vector);
      drawPoint(pen, at[0], at[1], path.name, PATH_COLOR);
    }
    for (const point of this.scene.points)
      if (Math.abs(this.depth(state, point.at)) <= near)
        drawPoint(pen, ...this.project(state, point.at), point.name, POINT_COLOR);
  }

  private drawMeasures(pen: CanvasRenderingContext2D, state: State, pending: Vector[]): void {
    state.measures.forEach((each, n) => {
      const ends = each.points.map((at) => this.project(state, at));
      const here = each.points.every((at) => Math.abs(this.depth(state, at)) < 3);
      drawLine(pen, ends, MEASURE, here ? 2 : 1, here ? [] : [2, 4]);
      const [x, y] = ends[each.points.length === 3 ? 1 : 0];
      write(pen, shortened(`${n + 1}: ${measured(each.points)}`), x + 8, y + 12, { color: MEASURE });
    });
    for (const at of pending) drawPoint(pen, ...this.project(state, at), "", MEASURE);
  }
}
