/** Where a surface crosses a plane. */
import { Mesh } from "./scene";
import { Vector } from "./vectors";

/**
 * Segments, as x, y, z of both ends one after the other, in which triangles cross the plane of the points p with
 * `normal · p = offset`. A corner exactly in the plane counts as above it.
 */
export function outline(mesh: Mesh, normal: Vector, offset: number): Float32Array {
  const { corners, triangles } = mesh;
  const count = corners.length / 3;
  const heights = new Float32Array(count);
  const [nx, ny, nz] = normal;
  for (let n = 0, at = 0; n < count; n++, at += 3)
    heights[n] = corners[at] * nx + corners[at + 1] * ny + corners[at + 2] * nz - offset;
  const found: number[] = [];
  for (let at = 0; at < triangles.length; at += 3) {
    const a = triangles[at];
    const b = triangles[at + 1];
    const c = triangles[at + 2];
    const above = (heights[a] >= 0 ? 1 : 0) | (heights[b] >= 0 ? 2 : 0) | (heights[c] >= 0 ? 4 : 0);
    if (above === 0 || above === 7) continue;
    // the corner that is alone on its side
    const alone = above === 1 || above === 6 ? 0 : above === 2 || above === 5 ? 1 : 2;
    const [tip, left, right] = alone === 0 ? [a, b, c] : alone === 1 ? [b, c, a] : [c, a, b];
    crossing(corners, heights, tip, left, found);
    crossing(corners, heights, tip, right, found);
  }
  return Float32Array.from(found);
}

function crossing(corners: Float32Array, heights: Float32Array, one: number, other: number, found: number[]): void {
  const share = heights[one] / (heights[one] - heights[other]);
  for (let axis = 0; axis < 3; axis++) {
    const from = corners[3 * one + axis];
    found.push(from + share * (corners[3 * other + axis] - from));
  }
}
