/** What is seen at the moment, and how it is told in the link's fragment. */
import { MapKind, Scene, Window } from "./scene";
import { Vector } from "./vectors";

export type Tool = "look" | "distance" | "angle";
export type ClipAxis = "none" | "right-left" | "front-back" | "bottom-top";

export interface Look {
  visible: boolean;
  opacity: number;
  color: string;
}

export interface Camera {
  /** Degrees: 0 from the front, 90 from the patient's left; 90 of elevation is from above. */
  azimuth: number;
  elevation: number;
  /** Half of the picture's height, mm. */
  half: number;
  middle: Vector;
}

export interface Measure {
  points: Vector[];
  names: string[];
}

export interface State {
  looks: Look[];
  camera: Camera;
  /** Where the slices cross, LPS mm. */
  cross: Vector;
  window: Window;
  clip: { axis: ClipAxis; at: number; turned: boolean };
  /** What surfaces are coloured by; "" for their own colours. */
  map: MapKind | "";
  planes: boolean;
  measures: Measure[];
}

const round = (value: number, digits = 2): number => Number(value.toFixed(digits));
const rounded = (at: Vector): Vector => at.map((value) => round(value)) as Vector;

/** The state as the fragment of a link: names of structures and of points are not in it. */
export function toFragment(state: State): string {
  const kept = {
    s: state.looks.map((look) => [look.visible ? 1 : 0, round(look.opacity), look.color]),
    c: [state.camera.azimuth, state.camera.elevation, state.camera.half, ...state.camera.middle].map((v) => round(v)),
    x: rounded(state.cross),
    w: [round(state.window.level), round(state.window.width)],
    k: [state.clip.axis, round(state.clip.at), state.clip.turned ? 1 : 0],
    m: state.map,
    p: state.planes ? 1 : 0,
    d: state.measures.map((each) => each.points.map(rounded)),
  };
  return `#view=${encodeURIComponent(JSON.stringify(kept))}`;
}

/** The state that a fragment tells, or `fallback` where it tells none or one of another page. */
export function fromFragment(fragment: string, fallback: State, scene: Scene): State {
  if (!fragment.startsWith("#view=")) return fallback;
  try {
    return parsed(JSON.parse(decodeURIComponent(fragment.slice(6))), scene);
  } catch {
    return fallback;
  }
}

function parsed(kept: any, scene: Scene): State {
  const looks = kept.s.map(([visible, opacity, color]: [number, number, string]): Look => {
    if (!/^#[0-9a-f]{6}$/.test(color)) throw new Error("no colour");
    return { visible: visible === 1, opacity: within(opacity, 0, 1), color };
  });
  if (looks.length !== scene.structures.length) throw new Error("another page");
  const [azimuth, elevation, half, ...middle] = numbers(kept.c, 6);
  const [level, width] = numbers(kept.w, 2);
  const [axis, at, turned] = kept.k;
  if (!["none", "right-left", "front-back", "bottom-top"].includes(axis)) throw new Error("no such plane");
  const same = scene.scan?.windows.find((window) => window.level === level && window.width === width);
  return {
    looks,
    camera: { azimuth, elevation: within(elevation, -90, 90), half: within(half, 0.5, 5000), middle: middle as Vector },
    cross: numbers(kept.x, 3) as Vector,
    window: { name: same?.name ?? "own", level, width: Math.max(width, 1e-6) },
    clip: { axis, at: within(at, 0, 1), turned: turned === 1 },
    map: kept.m === "distance" || kept.m === "thickness" ? kept.m : "",
    planes: kept.p === 1,
    measures: kept.d.slice(0, 100).map((points: unknown[]): Measure => {
      if (points.length !== 2 && points.length !== 3) throw new Error("no measure");
      return { points: points.map((each) => numbers(each, 3) as Vector), names: points.map(() => "") };
    }),
  };
}

function numbers(values: unknown, count: number): number[] {
  const good = Array.isArray(values) && values.length === count && values.every((value) => Number.isFinite(value));
  if (!good) throw new Error("no numbers");
  return values as number[];
}

function within(value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Error("no number");
  return Math.min(high, Math.max(low, value));
}
