/** The scan: where its voxels lie, and what they hold. */
import { embeddedBytes, unpacked16 } from "./packing";
import { ScanFacts } from "./scene";
import { add, dot, scale, subtract, Vector } from "./vectors";

export const PLANES = ["sagittal", "coronal", "axial"] as const;
const TILTED_DEG = 10;

export class Scan {
  /** Unit vectors of i, j, k in LPS. */
  readonly axes: [Vector, Vector, Vector];
  /** For the patient's x, y, z: which of i, j, k (0, 1, 2) lies nearest to it. */
  readonly patientAxes: Vector;
  private numbers: Uint16Array | null = null;

  constructor(readonly facts: ScanFacts) {
    const d = facts.direction;
    this.axes = [0, 1, 2].map((n) => [d[0][n], d[1][n], d[2][n]]) as [Vector, Vector, Vector];
    this.patientAxes = nearestAxes(this.axes);
  }

  async read(): Promise<void> {
    const { size } = this.facts;
    this.numbers = await unpacked16(embeddedBytes("viewer-scan"), size[0] * size[1] * size[2], 1);
  }

  /** LPS of a voxel index, whole at the voxel's centre. */
  place(index: Vector): Vector {
    const { origin, spacing } = this.facts;
    return this.axes.reduce((at, axis, n) => add(at, scale(axis, index[n] * spacing[n])), origin);
  }

  /** The voxel index of a place. */
  index(at: Vector): Vector {
    const from = subtract(at, this.facts.origin);
    return this.axes.map((axis, n) => dot(axis, from) / this.facts.spacing[n]) as Vector;
  }

  /** The index in the scan as it is in the case's file: there, `block` voxels make one of these. */
  fullIndex(index: Vector): Vector {
    const { block, full_size: full } = this.facts;
    return index.map((value, n) =>
      Math.min(full[n] - 1, Math.max(0, Math.round(value * block[n] + (block[n] - 1) / 2))),
    ) as Vector;
  }

  /** The nearest voxel within the scan. */
  clamped(index: Vector): Vector {
    return index.map((value, n) => Math.min(this.facts.size[n] - 1, Math.max(0, Math.round(value)))) as Vector;
  }

  /** The intensity of a voxel; NaN outside, and before the scan was read. */
  value(index: Vector): number {
    const { size, low, step } = this.facts;
    const [i, j, k] = index.map(Math.round);
    if (!this.numbers || i < 0 || j < 0 || k < 0 || i >= size[0] || j >= size[1] || k >= size[2]) return NaN;
    return low + step * this.numbers[(k * size[1] + j) * size[0] + i];
  }

  /**
   * Draws one slice as grey levels: `across` and `down` are axes of the scan, turned round where `turned` says so.
   * A pixel is a voxel.
   */
  draw(picture: ImageData, view: SliceAxes, at: number, level: number, width: number): void {
    const { size, low, step } = this.facts;
    if (!this.numbers) return;
    const strides = [1, size[0], size[0] * size[1]];
    const { across, down, through } = view;
    const columns = size[across];
    const rows = size[down];
    const along = view.turnedAcross ? -strides[across] : strides[across];
    const pixels = new Uint32Array(picture.data.buffer);
    const scaled = (255 * step) / width;
    const shift = ((low - level + width / 2) * 255) / width + 0.5;
    for (let row = 0, pixel = 0; row < rows; row++) {
      const n = view.turnedDown ? rows - 1 - row : row;
      let voxel = at * strides[through] + n * strides[down] + (view.turnedAcross ? (columns - 1) * strides[across] : 0);
      for (let column = 0; column < columns; column++, pixel++, voxel += along) {
        const grey = this.numbers[voxel] * scaled + shift;
        const level8 = grey < 0 ? 0 : grey > 255 ? 255 : grey | 0;
        // what is black is left clear, so that slices in 3D hide nothing behind the air round the patient
        pixels[pixel] = level8 ? 0xff000000 | (level8 << 16) | (level8 << 8) | level8 : 0;
      }
    }
  }
}

/** How the slices of a plane lie on the screen, turned as radiologists expect. */
export class SliceAxes {
  readonly through: number;
  readonly across: number;
  readonly down: number;
  readonly turnedAcross: boolean;
  readonly turnedDown: boolean;
  readonly tiltDeg: number;

  /** `plane` is 0, 1, 2 for the one nearest to sagittal, coronal, axial. */
  constructor(
    readonly scan: Scan,
    readonly plane: number,
  ) {
    const axes = scan.patientAxes;
    const [wide, tall] = [
      [1, 2],
      [0, 2],
      [0, 1],
    ][plane];
    this.through = axes[plane];
    this.across = axes[wide];
    this.down = axes[tall];
    // the patient's left and back lie at the right, the head and the front at the top
    this.turnedAcross = scan.axes[this.across][wide] < 0;
    this.turnedDown = tall === 2 ? scan.axes[this.down][2] > 0 : scan.axes[this.down][1] < 0;
    const lean = Math.min(1, Math.abs(scan.axes[this.through][plane]));
    this.tiltDeg = (Math.acos(lean) * 180) / Math.PI;
  }

  /** `axial`, or `axial, tilted 18°`. */
  get name(): string {
    return PLANES[this.plane] + (this.tiltDeg > TILTED_DEG ? `, tilted ${this.tiltDeg.toFixed(0)}°` : "");
  }

  /** What lies at the right of the picture, a unit vector in LPS. */
  get right(): Vector {
    return scale(this.scan.axes[this.across], this.turnedAcross ? -1 : 1);
  }

  /** What lies at its lower edge. */
  get bottom(): Vector {
    return scale(this.scan.axes[this.down], this.turnedDown ? -1 : 1);
  }
}

/** The same choice as `patient_axes` of slice_view.py: the best of all six, the first of equal ones. */
function nearestAxes(axes: [Vector, Vector, Vector]): Vector {
  const orders: Vector[] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const fit = (order: Vector) => order.reduce((sum, axis, patient) => sum + Math.abs(axes[axis][patient]), 0);
  return orders.reduce((best, order) => (fit(order) > fit(best) + 1e-9 ? order : best));
}
