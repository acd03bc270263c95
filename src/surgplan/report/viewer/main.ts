/** Starts the viewer in the report's page. */
import { make } from "./page";
import { panel, readout } from "./panel";
import { Scan } from "./scan";
import { bounds, Box, readMesh, readScene, Scene } from "./scene";
import { State } from "./state";
import { add, scale, Vector } from "./vectors";
import { Viewer } from "./viewer";

const SEEN_THROUGH = 0.45;

async function start(root: HTMLElement): Promise<void> {
  const scene = readScene();
  const scan = scene.scan ? new Scan(scene.scan) : null;
  const [meshes] = await Promise.all([Promise.all(scene.structures.map(readMesh)), scan?.read()]);
  const canvases = {
    space: canvas("Structures in 3D. Arrow keys turn them, plus and minus enlarge."),
    over: make("canvas", { class: "v-over", "aria-hidden": "true" }),
    slices: scan ? [2, 1, 0].map((plane) => canvas(`${["Sagittal", "Coronal", "Axial"][plane]} slice. ${SLICE_KEYS}`)) : [],
  };
  const status = make("p", { class: "v-status", role: "status" });
  const panes = [
    make("div", { class: "v-pane v-space" }, canvases.space, canvases.over),
    ...canvases.slices.map((each) => make("div", { class: "v-pane" }, each)),
  ];
  const pictures = make("div", { class: scan ? "v-panes" : "v-panes alone" }, ...panes);
  const stage = make("div", { class: "v-stage" }, pictures, status, make("p", { class: "v-kept" }, kept(scene)));
  root.append(stage);
  const viewer = new Viewer(scene, meshes, scan, canvases, home(scene, scan, meshes));
  if (!viewer.space) panes[0].replaceChildren(make("p", {}, "This browser cannot draw in 3D (no WebGL 2)."));
  const controls = panel(viewer);
  root.append(controls.element);
  viewer.changed = () => {
    controls.follow();
    status.textContent = readout(viewer);
    root.dataset.frames = String(viewer.frames);
    panes.forEach((pane, n) => (pane.dataset.sides = (n ? viewer.panes[n - 1].sides : viewer.sides).join(" ")));
  };
  viewer.drawNow();
  viewer.changed();
  if (location.hash.startsWith("#view=")) document.getElementById("viewer")?.scrollIntoView({ behavior: "instant" });
  root.dataset.state = "ready";
  root.dataset.ms = performance.now().toFixed(0);
}

const SLICE_KEYS = "Arrow keys move the cross, Page Up and Page Down change the slice, plus and minus enlarge.";

function canvas(words: string): HTMLCanvasElement {
  return make("canvas", { tabindex: 0, role: "application", "aria-label": words });
}

/** What is seen first: what encloses another structure is seen through, slices cross at the first target, else in the
 * first structure. */
function home(scene: Scene, scan: Scan | null, meshes: { corners: Float32Array }[]): State {
  const boxes = meshes.map(({ corners }) => bounds([corners]));
  const first: Vector = boxes[0] ? scale(add(boxes[0][0], boxes[0][1]), 0.5) : [0, 0, 0];
  const middle = scene.trajectories[0]?.target ?? first;
  const cross = scan ? scan.place(scan.clamped(scan.index(middle))) : middle;
  return {
    looks: scene.structures.map((each, n) => ({
      visible: true,
      opacity: boxes.some((other, m) => m !== n && encloses(boxes[n], other)) ? SEEN_THROUGH : 1,
      color: each.color,
    })),
    camera: { azimuth: 0, elevation: 0, half: 100, middle: [0, 0, 0] },
    cross,
    window: { ...(scene.scan?.windows[0] ?? { name: "own", level: 0, width: 1 }) },
    clip: { axis: "none", at: 0.5, turned: false },
    map: "",
    planes: false,
    measures: [],
  };
}

/** What of scan and surfaces the page holds. */
function kept(scene: Scene): string {
  const words: string[] = [];
  if (scene.scan) {
    const { block, spacing, step, unit } = scene.scan;
    const whole = block.every((n) => n === 1);
    const size = `${spacing.map((mm) => mm.toFixed(2)).join(" × ")} mm`;
    const exact = `intensities to ± ${(step / 2).toPrecision(2)}${unit && ` ${unit}`}`;
    words.push(whole ? `Scan: every voxel, ${size}, ${exact}.` : `Scan: means of ${block.join(" × ")} voxels, ${size}, ${exact}.`);
  }
  const moved = scene.structures.flatMap((each) => (each.moved_mm ? [each.moved_mm] : []));
  const most = (n: number) => Math.max(...moved.map((each) => each[n])).toFixed(2);
  words.push(
    moved.length
      ? `Surfaces: simplified for viewing; 95 % of those in the files lie within ${most(0)} mm, the farthest place ${most(1)} mm off.`
      : "Surfaces: as in the files.",
  );
  return words.join(" ");
}

function encloses(outer: Box | null, inner: Box | null): boolean {
  return outer !== null && inner !== null && [0, 1, 2].every((axis) => outer[0][axis] < inner[0][axis] && inner[1][axis] < outer[1][axis]);
}

const root = document.getElementById("viewer-root");
if (root)
  start(root).catch((error: unknown) => {
    root.dataset.state = "failed";
    root.append(make("p", { role: "alert" }, `The viewer could not start: ${error instanceof Error ? error.message : error}`));
  });
