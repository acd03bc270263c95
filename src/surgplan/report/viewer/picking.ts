/** Which place of which surface a ray meets first. */
import { Mesh } from "./scene";
import { add, dot, scale, Vector } from "./vectors";

export interface Ray {
  from: Vector;
  /** A unit vector. */
  towards: Vector;
}

/**
 * The nearest place on any of the meshes, or null. `kept` tells whether a place is drawn, or was cut away.
 *
 * Source: Möller and Trumbore, "Fast, minimum storage ray/triangle intersection", Journal of Graphics Tools 2(1), 1997.
 */
export function pick(ray: Ray, meshes: Mesh[], kept: (at: Vector) => boolean): Vector | null {
  let nearest = Infinity;
  for (const mesh of meshes) nearest = nearestOn(mesh, ray, nearest, kept);
  return nearest < Infinity ? add(ray.from, scale(ray.towards, nearest)) : null;
}

function nearestOn(mesh: Mesh, ray: Ray, limit: number, kept: (at: Vector) => boolean): number {
  const { corners, triangles } = mesh;
  const [dx, dy, dz] = ray.towards;
  const [ox, oy, oz] = ray.from;
  let nearest = limit;
  for (let n = 0; n < triangles.length; n += 3) {
    const a = 3 * triangles[n];
    const b = 3 * triangles[n + 1];
    const c = 3 * triangles[n + 2];
    const ax = corners[a];
    const ay = corners[a + 1];
    const az = corners[a + 2];
    const ux = corners[b] - ax;
    const uy = corners[b + 1] - ay;
    const uz = corners[b + 2] - az;
    const vx = corners[c] - ax;
    const vy = corners[c + 1] - ay;
    const vz = corners[c + 2] - az;
    const px = dy * vz - dz * vy;
    const py = dz * vx - dx * vz;
    const pz = dx * vy - dy * vx;
    const size = ux * px + uy * py + uz * pz;
    if (Math.abs(size) < 1e-12) continue;
    const tx = ox - ax;
    const ty = oy - ay;
    const tz = oz - az;
    const u = (tx * px + ty * py + tz * pz) / size;
    if (u < 0 || u > 1) continue;
    const qx = ty * uz - tz * uy;
    const qy = tz * ux - tx * uz;
    const qz = tx * uy - ty * ux;
    const v = (dx * qx + dy * qy + dz * qz) / size;
    if (v < 0 || u + v > 1) continue;
    const far = (vx * qx + vy * qy + vz * qz) / size;
    if (far > 0 && far < nearest && kept([ox + far * dx, oy + far * dy, oz + far * dz])) nearest = far;
  }
  return nearest;
}

/** Distance of a place from a ray, for choosing what lies under the pointer. */
export function beside(ray: Ray, at: Vector): number {
  const from: Vector = [at[0] - ray.from[0], at[1] - ray.from[1], at[2] - ray.from[2]];
  const along = dot(from, ray.towards);
  return Math.sqrt(Math.max(0, dot(from, from) - along * along));
}
