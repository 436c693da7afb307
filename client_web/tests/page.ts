/** The page without a browser: its own elements by their ids, and as much of the DOM as views and their tests ask for. */

import { vi } from "vitest";
import html from "../index.html?raw";

type Child = PageElement | string;

export class PageElement {
  hidden = false;
  disabled = false;
  checked = false;
  open = false;
  value = "";
  readonly classList = new ClassList();
  readonly style = { setProperty: () => {} };
  readonly dataset: Record<string, string>;
  private parent: PageElement | null = null;
  private nodes: Child[] = [];
  private readonly attributes = new Map<string, string>();
  private readonly listeners: { type: string; listen: (event: object) => void }[] = [];

  constructor(
    private readonly page: Page,
    private readonly tag: string,
  ) {
    this.dataset = new Proxy<Record<string, string>>(
      {},
      {
        get: (_, name) => this.attributes.get(`data-${String(name)}`),
        set: (_, name, value: string) => {
          this.attributes.set(`data-${String(name)}`, value);
          return true;
        },
      },
    );
  }

  get children(): PageElement[] {
    return this.nodes.filter((node) => node instanceof PageElement);
  }

  get textContent(): string {
    return this.nodes
      .map((node) => (node instanceof PageElement ? node.textContent : node))
      .join("");
  }

  set textContent(words: string) {
    this.replaceChildren(words);
  }

  append(...nodes: Child[]): void {
    for (const node of nodes) if (node instanceof PageElement) node.parent = this;
    this.nodes.push(...nodes);
  }

  replaceChildren(...nodes: Child[]): void {
    for (const child of this.children) child.parent = null;
    this.nodes = [];
    this.append(...nodes);
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }

  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }

  contains(element: PageElement | null): boolean {
    return element !== null && (element === this || this.contains(element.parent));
  }

  /** @param selector a tag, an attribute, or an attribute's value */
  matches(selector: string): boolean {
    const [, tag = "", name = "", value] =
      /^(\w*)(?:\[([\w-]+)(?:=(\w+))?\])?$/.exec(selector) ?? [];
    if (tag === "" && name === "") return false;
    if (tag !== "" && tag !== this.tag) return false;
    if (name === "") return true;
    return value === undefined ? this.attributes.has(name) : this.getAttribute(name) === value;
  }

  closest(selector: string): PageElement | null {
    return this.matches(selector) ? this : (this.parent?.closest(selector) ?? null);
  }

  querySelectorAll(selector: string): PageElement[] {
    return this.children.flatMap((child) => [
      ...(child.matches(selector) ? [child] : []),
      ...child.querySelectorAll(selector),
    ]);
  }

  querySelector(selector: string): PageElement | null {
    return this.querySelectorAll(selector)[0] ?? null;
  }

  addEventListener(type: string, listen: (event: object) => void): void {
    this.listeners.push({ type, listen });
  }

  /** What a visitor does to it, as every element around it hears. */
  dispatch(type: string, details: object = {}, target: PageElement = this): void {
    const event = { type, target, preventDefault: () => {}, stopPropagation: () => {}, ...details };
    for (const { listen } of this.listeners.filter((one) => one.type === type)) listen(event);
    this.parent?.dispatch(type, details, target);
  }

  click(): void {
    if (!this.disabled) this.dispatch("click");
  }

  focus(): void {
    if (this.canHaveFocus) this.page.focused = this;
  }

  select(): void {}

  showModal(): void {
    this.open = true;
  }

  /** No browser leaves the focus on what is gone, hidden or disabled. */
  get canHaveFocus(): boolean {
    return !this.disabled && this.isShown;
  }

  private get isShown(): boolean {
    if (this.hidden) return false;
    return this === this.page.body || (this.parent?.isShown ?? false);
  }
}

class ClassList {
  private readonly names = new Set<string>();

  contains(name: string): boolean {
    return this.names.has(name);
  }

  toggle(name: string, on: boolean): void {
    if (on) this.names.add(name);
    else this.names.delete(name);
  }
}

export class Page {
  readonly body: PageElement = new PageElement(this, "body");
  focused: PageElement = this.body;
  private readonly named = new Map<string, PageElement>();

  /** One of the elements that the page was written with. */
  byId(id: string): PageElement {
    const named = this.named.get(id);
    if (named !== undefined) return named;
    const [start, tag] = new RegExp(`<(\\w+)[^>]* id="${id}"[^>]*>`).exec(html) ?? [];
    if (start === undefined || tag === undefined) throw new Error(`the page has no #${id}`);
    const element = new PageElement(this, tag);
    element.hidden = / hidden\b/.test(start);
    element.disabled = / disabled\b/.test(start);
    this.named.set(id, element);
    this.body.append(element);
    return element;
  }

  get activeElement(): PageElement {
    return this.focused.canHaveFocus ? this.focused : this.body;
  }
}

const ELEMENTS = [
  "Element",
  "HTMLElement",
  "SVGUseElement",
  ...["Button", "Dialog", "Div", "Form", "Input", "OList", "Output", "Paragraph", "Progress"].map(
    (name) => `HTML${name}Element`,
  ),
  ...["Select", "Span", "UList", "Video"].map((name) => `HTML${name}Element`),
];

/** Open the page; `vi.unstubAllGlobals` closes it. */
export function openPage(): Page {
  const page = new Page();
  for (const name of ELEMENTS) vi.stubGlobal(name, PageElement);
  vi.stubGlobal("document", {
    body: page.body,
    getElementById: (id: string) => page.byId(id),
    createElement: (tag: string) => new PageElement(page, tag),
    createElementNS: (_: string, tag: string) => new PageElement(page, tag),
    get activeElement() {
      return page.activeElement;
    },
  });
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  return page;
}
