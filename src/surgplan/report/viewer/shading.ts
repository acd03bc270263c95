/** Normals and colours of corners. */
import { ColorMap, Mesh } from "./scene";

/** A normal for each corner, weighted by the area of its triangles, from −32767 to 32767. */
export function normals(mesh: Mesh): Int16Array {
  const { corners, triangles } = mesh;
  const sums = new Float32Array(corners.length);
  for (let n = 0; n < triangles.length; n += 3) {
    const a = 3 * triangles[n];
    const b = 3 * triangles[n + 1];
    const c = 3 * triangles[n + 2];
    const ux = corners[b] - corners[a];
    const uy = corners[b + 1] - corners[a + 1];
    const uz = corners[b + 2] - corners[a + 2];
    const vx = corners[c] - corners[a];
    const vy = corners[c + 1] - corners[a + 1];
    const vz = corners[c + 2] - corners[a + 2];
    const x = uy * vz - uz * vy;
    const y = uz * vx - ux * vz;
    const z = ux * vy - uy * vx;
    sums[a] += x;
    sums[a + 1] += y;
    sums[a + 2] += z;
    sums[b] += x;
    sums[b + 1] += y;
    sums[b + 2] += z;
    sums[c] += x;
    sums[c + 1] += y;
    sums[c + 2] += z;
  }
  const found = new Int16Array(sums.length);
  for (let at = 0; at < sums.length; at += 3) {
    const size = Math.sqrt(sums[at] ** 2 + sums[at + 1] ** 2 + sums[at + 2] ** 2);
    const by = size > 0 ? 32767 / size : 0;
    found[at] = sums[at] * by;
    found[at + 1] = sums[at + 1] * by;
    found[at + 2] = sums[at + 2] * by;
  }
  return found;
}

const UNKNOWN = [128, 128, 128];

/** Red, green, blue of each corner: the map's colours up to its limit in equal steps, and the one beyond. */
export function mapColors(values: Float32Array, map: ColorMap): Uint8Array {
  const steps = map.colors.map(channels);
  const beyond = channels(map.beyond);
  const table = new Uint8Array(3 * 257);
  for (let n = 0; n <= 255; n++) {
    const at = (n / 255) * (steps.length - 1);
    const first = Math.min(steps.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++)
      table[3 * n + c] = Math.round(linear(steps[first][c] + (at - first) * (steps[first + 1][c] - steps[first][c])));
  }
  const [over, none] = [beyond.map(linear), UNKNOWN.map(linear)];
  const found = new Uint8Array(3 * values.length);
  for (let n = 0; n < values.length; n++) {
    const share = Math.max(0, (values[n] - map.easy_mm) / (map.limit_mm - map.easy_mm));
    for (let c = 0; c < 3; c++)
      found[3 * n + c] = Number.isNaN(share) ? none[c] : share > 1 + 1e-6 ? over[c] : table[3 * Math.round(255 * share) + c];
  }
  return found;
}

export const channels = (color: string): number[] => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/** Light of an sRGB channel, both from 0 to 255: colours of corners are light, those of a style sheet are not. */
function linear(channel: number): number {
  const share = channel / 255;
  return 255 * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
}
