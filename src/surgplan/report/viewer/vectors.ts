/** Points and directions in the patient's frame: LPS, millimetres. x grows to the left, y to the back, z to the head. */
export type Vector = [number, number, number];

export const add = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a: Vector, by: number): Vector => [a[0] * by, a[1] * by, a[2] * by];
export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const length = (a: Vector): number => Math.hypot(a[0], a[1], a[2]);
export const distance = (a: Vector, b: Vector): number => length(subtract(a, b));
export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** Degrees at `middle` between the directions to `one` and `other`. */
export function angle(one: Vector, middle: Vector, other: Vector): number {
  const a = subtract(one, middle);
  const b = subtract(other, middle);
  return (Math.atan2(length(cross(a, b)), dot(a, b)) * 180) / Math.PI;
}

const TILTED = Math.sin((10 * Math.PI) / 180);

/** Where a direction points: `L`, or `LA` when it leans over by more than 10°. */
export function letters(towards: Vector): string {
  const size = length(towards);
  const order = [0, 1, 2].sort((a, b) => Math.abs(towards[b]) - Math.abs(towards[a]) || a - b);
  return order
    .filter((axis, n) => n === 0 || Math.abs(towards[axis]) > TILTED * size)
    .map((axis) => ["RL", "AP", "IS"][axis][towards[axis] > 0 ? 1 : 0])
    .join("");
}

/** `12.3, −4.0, 55.1`. */
export const told = (at: Vector): string => at.map((value) => signed(value, 1)).join(", ");

/** A number with a true minus sign, and no sign before 0. */
export function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}
