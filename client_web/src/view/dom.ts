/** The element the page was written with; its absence is a mistake in the page, not a state of it. */
export function byId<E extends Element>(id: string, type: new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

/** Write only what changed: live regions announce every write, also an equal one. */
export function write(element: Element, words: string): void {
  if (element.textContent !== words) element.textContent = words;
}

/** Focus a text box; on a touch screen, where that would raise the keyboard over the page, the page's main part. */
export function focusToType(box: HTMLInputElement): void {
  const place = matchMedia("(pointer: fine)").matches ? box : byId("main", HTMLElement);
  place.focus({ preventScroll: true });
}

/** Not `disabled`, which would take the focus from it: whoever pressed it with a key would have to find it again. */
export function setPressable(button: HTMLButtonElement, pressable: boolean): void {
  button.setAttribute("aria-disabled", String(!pressable));
}

/** Listen to a button for as long as it can be pressed. */
export function onPress(button: HTMLButtonElement, act: () => void): void {
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") act();
  });
}

export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** One of the page's icons, which says nothing to those who do not see it; "" for none yet. */
export function icon(address: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", address);
  svg.append(use);
  return svg;
}
