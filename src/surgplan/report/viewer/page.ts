/** Small helpers that build the viewer's elements. Text is only ever set as text. */

type Attributes = Record<string, string | number | boolean>;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** A name as the page shows it: its own direction never turns what stands round it. */
export const named = (name: string): HTMLElement => make("bdi", {}, name);

export function button(text: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", act);
  return element;
}

/** A group of controls under a heading. */
export function group(title: string, ...children: (Node | string)[]): HTMLFieldSetElement {
  return make("fieldset", {}, make("legend", {}, title), ...children);
}

let numbered = 0;

/** A control with its label before it. */
export function labelled(label: string, control: HTMLElement): HTMLDivElement {
  control.id = `v-control-${numbered++}`;
  return make("div", { class: "v-row" }, make("label", { for: control.id }, label), control);
}

export function choice(
  label: string,
  options: [value: string, text: string][],
  act: (value: string) => void,
): { row: HTMLElement; select: HTMLSelectElement } {
  const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => act(select.value));
  return { row: labelled(label, select), select };
}

export function slider(
  label: string,
  [low, high, step]: [number, number, number],
  act: (value: number) => void,
): { row: HTMLElement; input: HTMLInputElement } {
  const input = make("input", { type: "range", min: low, max: high, step });
  input.addEventListener("input", () => act(Number(input.value)));
  return { row: labelled(label, input), input };
}

export function tick(label: string, act: (on: boolean) => void): { row: HTMLElement; input: HTMLInputElement } {
  const input = make("input", { type: "checkbox" });
  input.addEventListener("change", () => act(input.checked));
  return { row: make("label", { class: "v-tick" }, input, make("span", {}, label)), input };
}
