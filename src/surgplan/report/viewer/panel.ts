/** The controls beside the pictures. */
import { measured } from "./measure";
import { button, choice, group, labelled, make, named, slider, tick } from "./page";
import { ColorMap, MapKind, Structure } from "./scene";
import { ClipAxis, toFragment, Tool } from "./state";
import { signed, told } from "./vectors";
import { Viewer, VIEWS } from "./viewer";

type Follow = () => void;

/** All controls, and a function that makes them show the viewer's state. */
export function panel(viewer: Viewer): { element: HTMLElement; follow: Follow } {
  const groups = [
    structures(viewer),
    views(viewer),
    ...(viewer.scan ? [slices(viewer)] : []),
    cut(viewer),
    measuring(viewer),
    places(viewer),
  ];
  const element = make("div", { class: "v-panel" }, ...groups.flatMap(([each]) => (each ? [each] : [])));
  return { element, follow: () => groups.forEach(([, follow]) => follow()) };
}

type Part = [HTMLElement | null, Follow];

function structures(viewer: Viewer): Part {
  const rows = viewer.scene.structures.map((structure, n) => row(viewer, structure, n));
  const shown: HTMLElement[] = rows.map((each) => each.element);
  const follow = rows.map((each) => each.follow);
  const kinds = [...new Set(viewer.scene.structures.flatMap((each) => each.maps.map((map) => map.kind)))];
  if (kinds.length) {
    const options = kinds.map((kind): [string, string] => [kind, KINDS[kind]]);
    const colors = choice("Colours", [["", "their own"], ...options], (kind) => viewer.set({ map: kind as MapKind | "" }));
    const keys = viewer.scene.structures.flatMap((each) => each.maps.map((map) => ({ map, key: legend(each.name, map) })));
    shown.push(colors.row, ...keys.map((each) => each.key));
    follow.push(() => {
      colors.select.value = viewer.state.map;
      for (const { map, key } of keys) key.hidden = map.kind !== viewer.state.map;
    });
  }
  return [group("Structures", ...shown), () => follow.forEach((each) => each())];
}

function row(viewer: Viewer, structure: Structure, n: number): { element: HTMLElement; follow: Follow } {
  const look = () => viewer.state.looks[n];
  const id = `v-structure-${n}`;
  const visible = make("input", { type: "checkbox", id });
  const color = make("input", { type: "color", "aria-label": `Colour of ${structure.name}` });
  const opacity = make("input", { type: "range", min: 0.1, max: 1, step: 0.05, "aria-label": `Opacity of ${structure.name}` });
  const act = (change: () => void) => () => {
    change();
    viewer.draw();
  };
  visible.addEventListener("change", act(() => (look().visible = visible.checked)));
  color.addEventListener("input", act(() => (look().color = color.value)));
  opacity.addEventListener("input", act(() => (look().opacity = Number(opacity.value))));
  const element = make("div", { class: "v-structure" }, visible, make("label", { for: id }, named(structure.name)), color, opacity);
  const follow = () => {
    visible.checked = look().visible;
    color.value = look().color;
    opacity.value = String(look().opacity);
  };
  return { element, follow };
}

const KINDS: Record<MapKind, string> = { distance: "distance to the scan", thickness: "thickness of walls" };

function legend(name: string, map: ColorMap): HTMLElement {
  const bar = make("span", { class: "v-bar" });
  bar.style.background = `linear-gradient(to right, ${map.colors.join(", ")})`;
  const beyond = make("span", { class: "v-beyond" });
  beyond.style.background = map.beyond;
  const grows = map.limit_mm > map.easy_mm;
  const ends = [grows ? "0" : map.easy_mm.toFixed(1), `${map.limit_mm.toFixed(2)} mm`, grows ? "more" : "less"];
  return make("p", { class: "v-legend" }, named(name), ends[0], bar, ends[1], beyond, ends[2]);
}

function views(viewer: Viewer): Part {
  const buttons = VIEWS.map(([name, azimuth, elevation]) =>
    button(name, () => {
      Object.assign(viewer.state.camera, { azimuth, elevation, middle: [...viewer.home.camera.middle] });
      viewer.draw();
    }),
  );
  const link = button("Link to this view", () => {
    history.replaceState(null, "", toFragment(viewer.state));
    const copied = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"));
    copied.then(
      () => (link.textContent = "Link copied"),
      () => (link.textContent = "Link is in the address bar"),
    );
    setTimeout(() => (link.textContent = "Link to this view"), 2500);
  });
  const rows = make("div", { class: "v-buttons" }, ...buttons);
  const more = make("div", { class: "v-buttons" }, button("Reset", () => viewer.reset()), link);
  return [group("View", ...(viewer.space ? [rows] : []), more), () => {}];
}

function slices(viewer: Viewer): Part {
  const scan = viewer.scan!;
  const windows = scan.facts.windows;
  const preset = choice(
    "Window",
    [...windows.map((each): [string, string] => [each.name, each.name]), ["own", "own"]],
    (name) => {
      const found = windows.find((each) => each.name === name);
      if (found) viewer.set({ window: { ...found } });
    },
  );
  const widest = scan.facts.step * 65535;
  const set = (change: object) => viewer.set({ window: { ...viewer.state.window, ...change, name: "own" } });
  const number = (label: string, low: number, act: (value: number) => void) => {
    const input = make("input", { type: "number", step: "any", min: low });
    input.addEventListener("change", () => Number.isFinite(input.valueAsNumber) && act(Math.max(low, input.valueAsNumber)));
    return { row: labelled(label, input), input };
  };
  const level = number("Level", -widest, (value) => set({ level: value }));
  const width = number("Width", 1e-6, (value) => set({ width: value }));
  const through = viewer.panes.map((pane) => {
    const axis = pane.axes.through;
    return slider(pane.axes.name, [0, scan.facts.size[axis] - 1, 1], (value) => {
      const index = scan.clamped(scan.index(viewer.state.cross));
      index[axis] = value;
      viewer.set({ cross: scan.place(index) });
    });
  });
  const sheets = tick("Show slices in 3D", (on) => viewer.set({ planes: on }));
  const rows = [preset.row, level.row, width.row, ...through.map((each) => each.row), ...(viewer.space ? [sheets.row] : [])];
  const follow = () => {
    preset.select.value = viewer.state.window.name;
    level.input.value = String(Math.round(viewer.state.window.level * 100) / 100);
    width.input.value = String(Math.round(viewer.state.window.width * 100) / 100);
    viewer.panes.forEach((pane, n) => (through[n].input.value = String(pane.at(viewer.state))));
    sheets.input.checked = viewer.state.planes;
  };
  return [group("Slices", ...rows), follow];
}

function cut(viewer: Viewer): Part {
  if (!viewer.space) return [null, () => {}];
  const set = (change: object) => viewer.set({ clip: { ...viewer.state.clip, ...change } });
  const axis = choice(
    "Across",
    [
      ["none", "no cut"],
      ["right-left", "right to left"],
      ["front-back", "front to back"],
      ["bottom-top", "bottom to top"],
    ],
    (value) => set({ axis: value as ClipAxis }),
  );
  const at = slider("At", [0, 1, 0.005], (value) => set({ at: value }));
  const turned = tick("Keep the other side", (on) => set({ turned: on }));
  const follow = () => {
    const { clip } = viewer.state;
    axis.select.value = clip.axis;
    at.input.value = String(clip.at);
    turned.input.checked = clip.turned;
    at.row.hidden = turned.row.hidden = clip.axis === "none";
  };
  return [group("Cut", axis.row, at.row, turned.row), follow];
}

const TOOLS: [Tool, string][] = [
  ["look", "Look"],
  ["distance", "Distance"],
  ["angle", "Angle"],
];

const HINTS: Record<Tool, string> = {
  look: "Click a surface or a slice: the slices cross there.",
  distance: "Choose two places, on surfaces or in slices; points with a name are caught. Key M takes the cross.",
  angle: "Choose three places; the angle is at the second. Key M takes the cross.",
};

function measuring(viewer: Viewer): Part {
  const tools = TOOLS.map(([tool, text]) => button(text, () => viewer.setTool(tool)));
  const hint = make("p", { class: "soft" });
  const list = make("ol", { class: "v-measures", "aria-label": "Measures" });
  const between = viewer.named.length > 1 ? [betweenPoints(viewer)] : [];
  let drawn = "";
  const follow = () => {
    tools.forEach((each, n) => each.setAttribute("aria-pressed", String(TOOLS[n][0] === viewer.tool)));
    hint.textContent = HINTS[viewer.tool];
    const now = JSON.stringify(viewer.state.measures);
    if (now === drawn) return;
    drawn = now;
    list.replaceChildren(...viewer.state.measures.map((_, n) => measure(viewer, n)));
  };
  return [group("Measure", make("div", { class: "v-buttons" }, ...tools), hint, ...between, list), follow];
}

function betweenPoints(viewer: Viewer): HTMLElement {
  const options = viewer.named.map((each, n): [string, string] => [String(n), each.name]);
  const from = choice("From", options, () => {});
  const to = choice("To", options, () => {});
  to.select.value = "1";
  const act = button("Measure between points", () => {
    const ends = [from, to].map((each) => viewer.named[Number(each.select.value)]);
    viewer.state.measures.push({ points: ends.map((each) => each.at), names: ends.map((each) => each.name) });
    viewer.draw();
  });
  return make("div", {}, from.row, to.row, make("div", { class: "v-buttons" }, act));
}

function measure(viewer: Viewer, n: number): HTMLElement {
  const { points, names } = viewer.state.measures[n];
  const words = names.some(Boolean) ? names.map((name) => named(name || "place")) : [];
  const remove = button("×", () => {
    viewer.state.measures.splice(n, 1);
    viewer.draw();
  });
  remove.setAttribute("aria-label", `Remove measure ${n + 1}`);
  const between = words.flatMap((word, each) => (each ? [" – ", word] : [" ", word]));
  return make("li", {}, make("b", {}, measured(points)), ...between, " ", remove);
}

function places(viewer: Viewer): Part {
  if (!viewer.named.length) return [null, () => {}];
  const rows = viewer.named.map(({ name, at }) => {
    const go = button("", () => viewer.set({ cross: at }));
    go.append(named(name));
    return make("li", {}, go);
  });
  return [group("Points", make("ul", { class: "v-points" }, ...rows)), () => {}];
}

/** Where the slices cross, and what the scan holds there. */
export function readout(viewer: Viewer): string {
  const at = viewer.state.cross;
  const words = [`LPS ${told(at)} mm`];
  const scan = viewer.scan;
  if (scan) {
    const index = scan.clamped(scan.index(at));
    const value = scan.value(index);
    words.push(`voxel ${scan.fullIndex(index).join(", ")}`);
    if (!Number.isNaN(value)) words.push(`${signed(value, value % 1 ? 1 : 0)}${scan.facts.unit && ` ${scan.facts.unit}`}`);
  }
  return words.join(" · ");
}
