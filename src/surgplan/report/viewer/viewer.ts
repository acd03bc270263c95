/** The viewer: holds the state, draws what has changed, and does what pointers and keys ask for. */
import { drawLetters, drawLine, drawPoint, drawScale, MEASURE, Names, prepared, write } from "./ink";
import { listen } from "./gestures";
import { measured, nearest } from "./measure";
import { pick } from "./picking";
import { Pane } from "./pane";
import { Scan } from "./scan";
import { Mesh, Scene } from "./scene";
import { frame, Space } from "./space";
import { fromFragment, State, Tool } from "./state";
import { add, letters, scale, Vector } from "./vectors";

const SNAP_PX = 12;
const TURN_DEG = 10;
const POINT_COLOR = "#ffd940";
const PATH_COLOR = "#40f2ff";
export const VIEWS: [name: string, azimuth: number, elevation: number][] = [
  ["Front", 0, 0],
  ["Back", 180, 0],
  ["Left", 90, 0],
  ["Right", -90, 0],
  ["Above", 180, 90],
  ["Below", 0, -90],
];

export class Viewer {
  state: State;
  tool: Tool = "look";
  pending: { at: Vector; name: string }[] = [];
  readonly space: Space | null;
  readonly panes: Pane[];
  /** Called after each change, so that controls follow. */
  changed: () => void = () => {};
  private asked = false;
  frames = 0;

  constructor(
    readonly scene: Scene,
    readonly meshes: Mesh[],
    readonly scan: Scan | null,
    readonly canvases: { space: HTMLCanvasElement; over: HTMLCanvasElement; slices: HTMLCanvasElement[] },
    readonly home: State,
  ) {
    this.space = space(canvases.space, scene, meshes);
    if (this.space) {
      home.camera.middle = this.space.middle;
      home.camera.half = this.space.wholeHalf;
    }
    this.state = fromFragment(location.hash, structuredClone(home), scene);
    const planes = scan ? [2, 1, 0] : [];
    this.panes = planes.map((plane, n) => new Pane(canvases.slices[n], scan as Scan, scene, meshes, plane));
    if (this.space) listen(canvases.space, this.spaceGestures(this.space));
    this.panes.forEach((pane) => listen(pane.canvas, this.paneGestures(pane)));
    new ResizeObserver(() => this.draw()).observe(canvases.space.parentElement as Element);
    window.addEventListener("hashchange", () => this.set(fromFragment(location.hash, this.state, scene)));
  }

  set(part: Partial<State>): void {
    Object.assign(this.state, part);
    this.draw();
  }

  reset(): void {
    this.pending = [];
    this.panes.forEach((pane) => (pane.zoom = 1));
    if (location.hash.startsWith("#view=")) history.replaceState(null, "", location.pathname + location.search);
    this.set(structuredClone(this.home));
  }

  /** Draws at the next chance, however often it is asked to. */
  draw(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.drawNow();
      this.changed();
    });
  }

  drawNow(): void {
    const pending = this.pending.map((each) => each.at);
    this.panes.forEach((pane, n) => {
      const fresh = pane.refresh(this.state);
      if (this.state.planes && (fresh || this.frames === 0 || !this.shownPlanes))
        this.space?.sheet(n, pane.picture, pane.corners(this.state));
      pane.draw(this.state, pending);
    });
    this.shownPlanes = this.state.planes;
    if (this.space) {
      this.space.draw(this.state);
      this.drawOver(this.space);
    }
    this.frames++;
  }

  private shownPlanes = false;

  /** A place was chosen with a tool: the last one that it needs makes a measure. */
  mark(at: Vector, name: string): void {
    this.pending.push({ at, name });
    if (this.pending.length === (this.tool === "angle" ? 3 : 2)) {
      const points = this.pending.map((each) => each.at);
      this.state.measures.push({ points, names: this.pending.map((each) => each.name) });
      this.pending = [];
    }
    this.draw();
  }

  setTool(tool: Tool): void {
    this.tool = tool;
    this.pending = [];
    this.draw();
  }

  /** All places that have a name. */
  get named(): { name: string; at: Vector }[] {
    const { points, trajectories } = this.scene;
    return [
      ...points,
      ...trajectories.flatMap(({ name, entry, target }) => [
        { name: `${name}, entry`, at: entry },
        { name: `${name}, target`, at: target },
      ]),
    ];
  }

  /** The patient's sides at the left, right, top and bottom edge of the 3D view. */
  get sides(): string[] {
    const { right, up } = frame(this.state.camera.azimuth, this.state.camera.elevation);
    return [scale(right, -1), right, up, scale(up, -1)].map(letters);
  }

  private spaceGestures(space: Space): Parameters<typeof listen>[1] {
    const turn = (azimuth: number, elevation: number) => {
      const { camera } = this.state;
      camera.azimuth = (((camera.azimuth + azimuth + 180) % 360) + 360) % 360 - 180;
      camera.elevation = Math.min(90, Math.max(-90, camera.elevation + elevation));
      this.draw();
    };
    const zoom = (factor: number) => {
      this.state.camera.half = Math.min(2000, Math.max(1, this.state.camera.half / factor));
      this.draw();
    };
    const shift = (dx: number, dy: number) => {
      const { camera } = this.state;
      const { right, up } = frame(camera.azimuth, camera.elevation);
      const mm = (2 * camera.half) / space.canvas.clientHeight;
      camera.middle = add(camera.middle, add(scale(right, -dx * mm), scale(up, dy * mm)));
      this.draw();
    };
    return {
      tap: (x, y) => this.tapSpace(space, x, y),
      drag: (_x, _y, dx, dy) => turn(-dx * 0.5, dy * 0.5),
      drag2: (_x, _y, dx, dy) => shift(dx, dy),
      pinch: zoom,
      wheel: zoom,
      key: (event) => {
        const by = event.shiftKey ? 1 : TURN_DEG;
        const act = {
          ArrowLeft: () => turn(by, 0),
          ArrowRight: () => turn(-by, 0),
          ArrowUp: () => turn(0, -by),
          ArrowDown: () => turn(0, by),
          "+": () => zoom(1.2),
          "=": () => zoom(1.2),
          "-": () => zoom(1 / 1.2),
          Home: () => this.set({ camera: structuredClone(this.home.camera) }),
        }[event.key];
        act?.();
        return Boolean(act);
      },
    };
  }

  private paneGestures(pane: Pane): Parameters<typeof listen>[1] {
    const step = (axis: number, by: number) => {
      const index = pane.scan.clamped(pane.scan.index(this.state.cross));
      index[axis] += by;
      this.set({ cross: pane.scan.place(pane.scan.clamped(index)) });
    };
    const along = (axis: number, turned: boolean, by: number) => step(axis, turned ? -by : by);
    const zoom = (factor: number) => {
      pane.zoom = Math.min(40, Math.max(1, pane.zoom * factor));
      this.draw();
    };
    const { through, across, down, turnedAcross, turnedDown } = pane.axes;
    return {
      tap: (x, y) => this.tapPane(pane, x, y),
      drag: (x, y) => this.set({ cross: pane.place(this.state, x, y) }),
      drag2: (_x, _y, dx, dy) => {
        const { level, width } = this.state.window;
        const by = width / 300;
        this.set({ window: { name: "own", level: level + dy * by, width: Math.max(by, width + dx * by) } });
      },
      pinch: zoom,
      wheel: (factor, steps, zooming) => (zooming ? zoom(factor) : steps && step(through, steps)),
      key: (event) => {
        const act = {
          ArrowLeft: () => along(across, turnedAcross, -1),
          ArrowRight: () => along(across, turnedAcross, 1),
          ArrowUp: () => along(down, turnedDown, -1),
          ArrowDown: () => along(down, turnedDown, 1),
          PageUp: () => step(through, 1),
          PageDown: () => step(through, -1),
          "+": () => zoom(1.25),
          "=": () => zoom(1.25),
          "-": () => zoom(1 / 1.25),
          m: () => this.tool !== "look" && this.mark(this.state.cross, ""),
        }[event.key];
        act?.();
        return Boolean(act);
      },
    };
  }

  private tapSpace(space: Space, x: number, y: number): void {
    const known = this.named;
    const near = nearest(known.map((each) => space.project(this.state, each.at)), x, y, SNAP_PX);
    const shown = this.meshes.filter((_, n) => this.state.looks[n].visible && this.state.looks[n].opacity >= 0.5);
    const at = near >= 0 ? known[near].at : pick(space.ray(this.state, x, y), shown, space.kept(this.state));
    if (!at) return;
    if (this.tool !== "look") this.mark(at, near >= 0 ? known[near].name : "");
    else this.set({ cross: at });
  }

  private tapPane(pane: Pane, x: number, y: number): void {
    const near = Math.max(1.5, pane.scan.facts.spacing[pane.axes.through] * 0.5 + 0.01);
    const here = this.named.filter((each) => Math.abs(pane.depth(this.state, each.at)) <= near);
    const found = nearest(here.map((each) => pane.project(this.state, each.at)), x, y, SNAP_PX);
    const at = found >= 0 ? here[found].at : pane.place(this.state, x, y);
    if (this.tool !== "look") this.mark(at, found >= 0 ? here[found].name : "");
    else this.set({ cross: at });
  }

  /** Names, letters, scale and measures over the structures. */
  private drawOver(space: Space): void {
    const pen = prepared(this.canvases.over);
    if (!pen) return;
    const { clientWidth: wide, clientHeight: tall } = this.canvases.over;
    const { state } = this;
    const at = (place: Vector) => space.project(state, place);
    const names = new Names(pen, wide);
    for (const { name, at: place } of this.scene.points) names.put(name, at(place), POINT_COLOR);
    for (const { name, entry, target } of this.scene.trajectories)
      names.put(name, at(scale(add(entry, target), 0.5)), PATH_COLOR);
    state.measures.forEach((each, n) => {
      const ends = each.points.map(at);
      drawLine(pen, ends, MEASURE);
      const [x, y] = ends[each.points.length === 3 ? 1 : 0];
      write(pen, `${n + 1}: ${measured(each.points)}`, x + 8, y + 14, { color: MEASURE, bold: true });
    });
    for (const each of this.pending) drawPoint(pen, ...at(each.at), "", MEASURE);
    drawLetters(pen, wide, tall, this.sides);
    drawScale(pen, wide, tall, tall / (2 * state.camera.half));
  }
}

/** The 3D view, or null where the browser cannot draw it. */
function space(canvas: HTMLCanvasElement, scene: Scene, meshes: Mesh[]): Space | null {
  try {
    return new Space(canvas, scene, meshes);
  } catch {
    return null;
  }
}
