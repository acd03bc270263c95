/** What the page holds for the viewer: `viewer_data.py` writes it. Everything lies in LPS millimetres. */
import { embeddedBytes, parts, unpacked16, unpacked32 } from "./packing";
import { Vector } from "./vectors";

export interface Window {
  name: string;
  level: number;
  width: number;
}

export type MapKind = "distance" | "thickness";

/** Colours from `easy_mm` to `limit_mm`: distances grow towards their limit, thicknesses shrink. */
export interface ColorMap {
  kind: MapKind;
  easy_mm: number;
  limit_mm: number;
  colors: string[];
  beyond: string;
}

export interface Structure {
  name: string;
  color: string;
  outline: string;
  triangles: number;
  vertices: number;
  of: number;
  /** Where it was simplified: within what 95 % of the surface in the file lies of it, and the farthest place, mm. */
  moved_mm: [number, number] | null;
  low: Vector;
  step: Vector;
  maps: ColorMap[];
}

/** Corners (3 numbers each), triangles (3 corners each), and the values of each map in mm, NaN where there is none. */
export interface Mesh {
  corners: Float32Array;
  triangles: Uint32Array;
  values: Float32Array[];
}

export interface ScanFacts {
  size: Vector;
  spacing: Vector;
  origin: Vector;
  direction: [Vector, Vector, Vector];
  block: Vector;
  full_size: Vector;
  low: number;
  step: number;
  unit: string;
  windows: Window[];
}

export interface Point {
  name: string;
  at: Vector;
}

export interface Trajectory {
  name: string;
  entry: Vector;
  target: Vector;
}

export interface Scene {
  structures: Structure[];
  points: Point[];
  trajectories: Trajectory[];
  scan: ScanFacts | null;
}

const UNKNOWN = 65535;

export function readScene(): Scene {
  const element = document.getElementById("viewer-scene");
  if (!element) throw new Error("the page has no block viewer-scene");
  return JSON.parse(element.textContent ?? "") as Scene;
}

export async function readMesh(structure: Structure, number: number): Promise<Mesh> {
  const [packedCorners, packedTriangles, ...packedValues] = parts(embeddedBytes(`viewer-mesh-${number}`));
  const { vertices: count, triangles: many, low, step } = structure;
  const columns = await unpacked16(packedCorners, count, 3);
  const corners = new Float32Array(3 * count);
  for (let n = 0, at = 0; n < count; n++)
    for (let axis = 0; axis < 3; axis++) corners[at++] = low[axis] + step[axis] * columns[axis * count + n];
  const sides = await unpacked32(packedTriangles, many, 3);
  const triangles = new Uint32Array(3 * many);
  for (let n = 0, at = 0; n < many; n++)
    for (let corner = 0; corner < 3; corner++) triangles[at++] = sides[corner * many + n];
  const stored = await Promise.all(packedValues.map((each) => unpacked16(each, count, 1)));
  const values = stored.map((each) => Float32Array.from(each, (value) => (value === UNKNOWN ? NaN : value / 1000)));
  return { corners, triangles, values };
}

export type Box = [low: Vector, high: Vector];

/** The box round places that follow each other as x, y, z; null where there are none. */
export function bounds(lists: ArrayLike<number>[]): Box | null {
  const low: Vector = [Infinity, Infinity, Infinity];
  const high: Vector = [-Infinity, -Infinity, -Infinity];
  for (const values of lists)
    for (let at = 0, axis = 0; at < values.length; at++, axis = axis === 2 ? 0 : axis + 1) {
      if (values[at] < low[axis]) low[axis] = values[at];
      if (values[at] > high[axis]) high[axis] = values[at];
    }
  return Number.isFinite(low[0]) ? [low, high] : null;
}
