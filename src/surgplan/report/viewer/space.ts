/** The structures in 3D, drawn by three.js. */
import {
  AmbientLight,
  BackSide,
  BufferAttribute,
  BufferGeometry,
  CanvasTexture,
  Color,
  CylinderGeometry,
  DirectionalLight,
  DoubleSide,
  FrontSide,
  Group,
  LinearFilter,
  Mesh as Drawn,
  MeshBasicMaterial,
  MeshLambertMaterial,
  OrthographicCamera,
  Plane,
  Scene as Space3D,
  SphereGeometry,
  SRGBColorSpace,
  Vector2,
  Vector3,
  WebGLRenderer,
} from "three";
import { mapColors, normals } from "./shading";
import { bounds, Box, ColorMap, MapKind, Mesh, Scene, Trajectory } from "./scene";
import { ClipAxis, Look, State } from "./state";
import { add, cross, distance, dot, scale, subtract, Vector } from "./vectors";
import { Ray } from "./picking";

const FAR = 4000;
const NOTHING: Box = [[-50, -50, -50], [50, 50, 50]];
export const BACKGROUND = "#20252b";
const POINT_COLOR = "#ffd940";
const PATH_COLOR = "#40f2ff";
const CLIPS: Record<Exclude<ClipAxis, "none">, number> = { "right-left": 0, "front-back": 1, "bottom-top": 2 };

/** The directions of the picture: towards the eye, to its top and to its right. */
export function frame(azimuth: number, elevation: number): { eye: Vector; up: Vector; right: Vector } {
  const a = (azimuth * Math.PI) / 180;
  const e = (elevation * Math.PI) / 180;
  const eye: Vector = [Math.sin(a) * Math.cos(e), -Math.cos(a) * Math.cos(e), Math.sin(e)];
  const up: Vector = [-Math.sin(a) * Math.sin(e), Math.cos(a) * Math.sin(e), Math.cos(e)];
  return { eye, up, right: cross(up, eye) };
}

/** One structure: its surface, what hides its own inside while it is see-through, and its cut face. */
class Solid {
  readonly group = new Group();
  private readonly front: MeshLambertMaterial;
  private readonly hidden = new MeshBasicMaterial({ colorWrite: false, transparent: true });
  private readonly back = new MeshBasicMaterial({ side: BackSide });
  private readonly meshes: Drawn[];

  private readonly shape = new BufferGeometry();
  private painted: ColorMap | null = null;

  constructor(
    readonly mesh: Mesh,
    readonly maps: ColorMap[],
    order: number,
  ) {
    const { shape } = this;
    shape.setAttribute("position", new BufferAttribute(mesh.corners, 3));
    shape.setAttribute("normal", new BufferAttribute(normals(mesh), 3, true));
    shape.setIndex(new BufferAttribute(mesh.triangles, 1));
    this.front = new MeshLambertMaterial({ depthWrite: true });
    this.meshes = [this.hidden, this.back, this.front].map((material, n) => {
      const drawn = new Drawn(shape, material);
      drawn.renderOrder = order * 3 + n;
      drawn.frustumCulled = false;
      this.group.add(drawn);
      return drawn;
    });
  }

  show(look: Look, kind: MapKind | "", planes: Plane[]): void {
    const mapped = this.paint(kind);
    const through = look.opacity < 1;
    this.group.visible = look.visible && look.opacity > 0;
    this.meshes[0].visible = through;
    this.meshes[1].visible = planes.length > 0 && !through;
    const changed = this.front.transparent !== through || this.front.vertexColors !== mapped;
    this.front.transparent = through;
    this.front.opacity = look.opacity;
    this.front.depthWrite = !through;
    this.front.vertexColors = mapped;
    this.front.color.set(mapped ? "#ffffff" : look.color);
    this.front.side = through && planes.length > 0 ? DoubleSide : FrontSide;
    // as thin glass, lit from within: what is seen through would darken it
    this.front.emissive.set(mapped ? "#000000" : look.color).multiplyScalar(through ? 0.12 : 0);
    this.back.color.set(look.color).multiplyScalar(0.55);
    for (const material of [this.front, this.hidden, this.back]) material.clippingPlanes = planes;
    if (changed) this.front.needsUpdate = true;
  }

  /** Gives the corners the colours of a map; tells whether there is one of that kind. */
  private paint(kind: MapKind | ""): boolean {
    const number = this.maps.findIndex((each) => each.kind === kind);
    const map = this.maps[number];
    if (!map) return false;
    if (map !== this.painted)
      this.shape.setAttribute("color", new BufferAttribute(mapColors(this.mesh.values[number], map), 3, true));
    this.painted = map;
    return true;
  }
}

export class Space {
  readonly renderer: WebGLRenderer;
  readonly middle: Vector;
  readonly low: Vector;
  readonly high: Vector;
  private readonly space = new Space3D();
  private readonly camera = new OrthographicCamera();
  private readonly lights = [new DirectionalLight("#ffffff", 2.2), new DirectionalLight("#ffffff", 0.9)];
  private readonly solids: Solid[];
  private readonly marks = new Group();
  private readonly sheets: { canvas: HTMLCanvasElement; drawn: Drawn; texture: CanvasTexture }[] = [];

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly scene: Scene,
    readonly meshes: Mesh[],
  ) {
    const antialias = !drawnBySoftware(); // without a graphics card it would double the time of each frame
    this.renderer = new WebGLRenderer({ canvas, antialias, powerPreference: "high-performance" });
    this.renderer.localClippingEnabled = true;
    this.space.background = new Color(BACKGROUND);
    const places = [...scene.points.map((each) => each.at), ...scene.trajectories.flatMap((each) => [each.entry, each.target])];
    [this.low, this.high] = bounds([...meshes.map((mesh) => mesh.corners), ...places]) ?? NOTHING;
    this.middle = scale(add(this.low, this.high), 0.5);
    const order = [...meshes.keys()].sort((a, b) => extent(meshes[a]) - extent(meshes[b]));
    this.solids = meshes.map((mesh, n) => new Solid(mesh, scene.structures[n].maps, order.indexOf(n)));
    this.space.add(...this.solids.map((each) => each.group), this.marks, new AmbientLight("#ffffff", 0.45));
    for (const light of this.lights) this.space.add(light, light.target);
  }

  /** Half of a height that shows everything from the front, the sides, above and below. */
  get wholeHalf(): number {
    return Math.max(5, ...subtract(this.high, this.low)) * 0.6;
  }

  draw(state: State): void {
    const { clientWidth: wide, clientHeight: tall } = this.canvas;
    if (!wide || !tall) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const size = this.renderer.getDrawingBufferSize(new Vector2());
    if (size.x !== Math.floor(wide * ratio) || size.y !== Math.floor(tall * ratio)) {
      this.renderer.setPixelRatio(ratio);
      this.renderer.setSize(wide, tall, false);
    }
    this.aim(state, wide / tall);
    const planes = this.planes(state);
    this.solids.forEach((solid, n) => solid.show(state.looks[n], state.map, planes));
    this.placeMarks(state);
    for (const sheet of this.sheets) sheet.drawn.visible = state.planes;
    this.renderer.render(this.space, this.camera);
  }

  /** Shows a slice: `corners` are those of the canvas, upper left, upper right, lower left, lower right. */
  sheet(number: number, canvas: HTMLCanvasElement, corners: Vector[]): void {
    const known = this.sheets[number];
    if (known && known.canvas === canvas) {
      known.texture.needsUpdate = true;
      (known.drawn.geometry.getAttribute("position") as BufferAttribute).copyArray(corners.flat()).needsUpdate = true;
      return;
    }
    const texture = new CanvasTexture(canvas);
    texture.colorSpace = SRGBColorSpace;
    texture.flipY = false;
    texture.generateMipmaps = false;
    texture.minFilter = LinearFilter;
    const shape = new BufferGeometry();
    shape.setAttribute("position", new BufferAttribute(new Float32Array(corners.flat()), 3));
    shape.setAttribute("uv", new BufferAttribute(new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), 2));
    shape.setIndex([0, 2, 1, 1, 2, 3]);
    const drawn = new Drawn(shape, new MeshBasicMaterial({ map: texture, side: DoubleSide, alphaTest: 0.5 }));
    drawn.frustumCulled = false;
    drawn.renderOrder = -1;
    this.space.add(drawn);
    this.sheets[number] = { canvas, drawn, texture };
  }

  /** Pixels from the left and top edge at which a place is seen. */
  project(state: State, at: Vector): [number, number] {
    const { right, up } = frame(state.camera.azimuth, state.camera.elevation);
    const from = subtract(at, state.camera.middle);
    const perMm = this.canvas.clientHeight / (2 * state.camera.half);
    const { clientWidth: wide, clientHeight: tall } = this.canvas;
    return [wide / 2 + dot(from, right) * perMm, tall / 2 - dot(from, up) * perMm];
  }

  /** The ray that goes into the picture at a pixel. */
  ray(state: State, x: number, y: number): Ray {
    const { eye, right, up } = frame(state.camera.azimuth, state.camera.elevation);
    const perMm = this.canvas.clientHeight / (2 * state.camera.half);
    const across = (x - this.canvas.clientWidth / 2) / perMm;
    const upward = (this.canvas.clientHeight / 2 - y) / perMm;
    const at = add(add(state.camera.middle, scale(right, across)), scale(up, upward));
    return { from: add(at, scale(eye, FAR / 2)), towards: scale(eye, -1) };
  }

  /** Whether a place is drawn, or was cut away. */
  kept(state: State): (at: Vector) => boolean {
    const planes = this.planes(state);
    return (at) => planes.every((plane) => plane.distanceToPoint(new Vector3(...at)) >= 0);
  }

  private planes(state: State): Plane[] {
    const { axis, at, turned } = state.clip;
    if (axis === "none") return [];
    const n = CLIPS[axis];
    const place = this.low[n] + (this.high[n] - this.low[n]) * at;
    const sign = turned ? -1 : 1;
    return [new Plane(new Vector3(...[0, 1, 2].map((each) => (each === n ? sign : 0))), -sign * place)];
  }

  private aim(state: State, aspect: number): void {
    const { azimuth, elevation, half, middle } = state.camera;
    const { eye, up, right } = frame(azimuth, elevation);
    const camera = this.camera;
    [camera.left, camera.right, camera.top, camera.bottom] = [-half * aspect, half * aspect, half, -half];
    [camera.near, camera.far] = [1, FAR];
    camera.position.set(...add(middle, scale(eye, FAR / 2)));
    camera.up.set(...up);
    camera.lookAt(...middle);
    camera.updateProjectionMatrix();
    const places: Vector[] = [add(add(scale(right, -0.6), scale(up, 0.7)), eye), add(scale(right, 0.5), eye)];
    this.lights.forEach((light, n) => {
      light.position.set(...add(middle, scale(places[n], 500)));
      light.target.position.set(...middle);
    });
  }

  private placeMarks(state: State): void {
    if (!this.marks.children.length) {
      const ball = new SphereGeometry(1, 20, 14);
      const yellow = new MeshLambertMaterial({ color: POINT_COLOR });
      for (const point of this.scene.points) {
        const drawn = new Drawn(ball, yellow);
        drawn.position.set(...point.at);
        drawn.userData = { radius: 0.016 };
        this.marks.add(drawn);
      }
      for (const path of this.scene.trajectories) this.marks.add(rod(path));
    }
    for (const drawn of this.marks.children) {
      const size = Math.min(2, state.camera.half * drawn.userData.radius);
      if (drawn.userData.long) drawn.scale.set(size, 1, size);
      else drawn.scale.setScalar(size);
    }
  }
}

function drawnBySoftware(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return false;
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

function rod(path: Trajectory): Drawn {
  const along = subtract(path.target, path.entry);
  const drawn = new Drawn(new CylinderGeometry(1, 1, Math.hypot(...along), 14), new MeshLambertMaterial({ color: PATH_COLOR }));
  drawn.position.set(...scale(add(path.entry, path.target), 0.5));
  drawn.quaternion.setFromUnitVectors(new Vector3(0, 1, 0), new Vector3(...along).normalize());
  drawn.userData = { radius: 0.006, long: true };
  return drawn;
}

function extent(mesh: Mesh): number {
  const found = bounds([mesh.corners]);
  return found ? distance(...found) : 0;
}
