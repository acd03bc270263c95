/** Lengths and angles between places. */
import { angle, distance, Vector } from "./vectors";

/** `12.34 mm` between two places, `56.7°` at the second of three. */
export function measured(points: Vector[]): string {
  if (points.length === 2) return `${distance(points[0], points[1]).toFixed(2)} mm`;
  return `${angle(points[0], points[1], points[2]).toFixed(1)}°`;
}

/** The index of the nearest place within `reach` pixels, or −1. */
export function nearest(places: [number, number][], x: number, y: number, reach: number): number {
  let found = -1;
  let best = reach;
  places.forEach(([px, py], n) => {
    const far = Math.hypot(px - x, py - y);
    if (far <= best) [found, best] = [n, far];
  });
  return found;
}
