/** What pointers, wheels and keys do on a canvas, told in pixels; mouse, pen and fingers alike. */

export interface Gestures {
  /** A press and release at one place. */
  tap(x: number, y: number): void;
  /** A drag with one finger or the main button; `start` is true at its first move. */
  drag(x: number, y: number, dx: number, dy: number, start: boolean): void;
  /** A drag with two fingers, another button, or Shift. */
  drag2(x: number, y: number, dx: number, dy: number): void;
  /** Two fingers: larger by a factor. */
  pinch(factor: number): void;
  /** A turn of the wheel, as a factor and as whole steps; `zooming` is what browsers tell of a pinched touch pad. */
  wheel(factor: number, steps: number, zooming: boolean): void;
  key(event: KeyboardEvent): boolean;
}

const STILL = 4;
/** A wheel's notch; touch pads send many small turns instead. */
const NOTCH_PX = 50;
/** Pixels of what a wheel counts in: pixels, lines, pages. */
const LINE_PX = [1, 25, 400];

export function listen(element: HTMLElement, to: Gestures): void {
  const down = new Map<number, PointerEvent>();
  let moved = false;
  let second = false;
  let turned = 0;
  const place = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  element.addEventListener("pointerdown", (event) => {
    if (!down.size) [moved, second] = [false, event.button !== 0 || event.shiftKey];
    element.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
  });
  element.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
    if (!moved && Math.hypot(dx, dy) < STILL) return;
    const start = !moved;
    moved = true;
    const others = [...down.values()].filter((each) => each.pointerId !== event.pointerId);
    if (others.length) {
      const far = (each: PointerEvent) =>
        Math.hypot(each.clientX - others[0].clientX, each.clientY - others[0].clientY) || 1;
      to.pinch(far(event) / far(last));
      to.drag2(...place(event), dx / 2, dy / 2);
    } else if (second) to.drag2(...place(event), dx, dy);
    else to.drag(...place(event), dx, dy, start);
    down.set(event.pointerId, event);
  });
  const up = (event: PointerEvent) => {
    if (down.delete(event.pointerId) && !moved && !down.size && event.type === "pointerup") to.tap(...place(event));
  };
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener(
    "wheel",
    (event) => {
      // a page is scrolled over a picture that nobody has taken in hand
      if (!element.contains(document.activeElement) && !event.ctrlKey) return;
      event.preventDefault();
      const by = event.deltaY * LINE_PX[event.deltaMode];
      turned += by;
      const steps = Math.trunc(turned / NOTCH_PX);
      turned -= steps * NOTCH_PX;
      to.wheel(Math.exp(-by * 0.0015), steps, event.ctrlKey);
    },
    { passive: false },
  );
  element.addEventListener("keydown", (event) => {
    if (!event.altKey && !event.metaKey && to.key(event)) event.preventDefault();
  });
}
