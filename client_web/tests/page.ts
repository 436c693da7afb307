/** The page without a browser: its own elements, and as much of the DOM as views and their tests ask for. */

import { vi } from "vitest";
import html from "../index.html?raw";

type Child = PageElement | string;

export class PageElement {
  hidden: boolean;
  disabled: boolean;
  checked = false;
  open = false;
  value = "";
  readonly classList = new ClassList();
  readonly style = { setProperty: () => {} };
  readonly dataset: Record<string, string>;
  private parent: PageElement | null = null;
  private nodes: Child[] = [];
  private readonly listeners: { type: string; listen: (event: object) => void }[] = [];

  constructor(
    private readonly page: Page,
    private readonly tag: string,
    private readonly attributes = new Map<string, string>(),
  ) {
    this.hidden = attributes.has("hidden");
    this.disabled = attributes.has("disabled");
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
      /^(\w*)(?:\[([\w-]+)(?:=([\w-]+))?\])?$/.exec(selector) ?? [];
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
    this.querySelectorAll("button")
      .find((button) => button.canHaveFocus)
      ?.focus();
  }

  /** No browser leaves the focus on what is gone, hidden or disabled. */
  get canHaveFocus(): boolean {
    return !this.disabled && this.isShown;
  }

  private get isShown(): boolean {
    if (this.hidden || (this.tag === "dialog" && !this.open)) return false;
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

  constructor() {
    const inside = [this.body];
    for (const [, close, tag = "", attributes = "", self, words] of bodyOf(html).matchAll(TOKENS)) {
      const parent = inside.at(-1);
      if (words !== undefined) parent?.append(words);
      else if (close === "/") inside.pop();
      else {
        const element = new PageElement(this, tag, parseAttributes(attributes));
        parent?.append(element);
        if (self !== "/" && !VOID.includes(tag)) inside.push(element);
      }
    }
    this.byId("start").hidden = true;
    this.byId("live").hidden = false;
  }

  byId(id: string): PageElement {
    const element = this.body.querySelector(`[id=${id}]`);
    if (element === null) throw new Error(`the page has no #${id}`);
    return element;
  }

  get activeElement(): PageElement {
    return this.focused.canHaveFocus ? this.focused : this.body;
  }
}

/** A tag with its attributes, or the words between two. */
const TOKENS = /<(\/?)(\w+)((?:\s+[\w-]+(?:="[^"]*")?)*)\s*(\/?)>|([^<]+)/g;
const VOID = ["br", "input"];

function bodyOf(page: string): string {
  return page.slice(page.indexOf(">", page.indexOf("<body")) + 1, page.indexOf("</body>"));
}

function parseAttributes(written: string): Map<string, string> {
  const attributes = written.matchAll(/([\w-]+)(?:="([^"]*)")?/g);
  return new Map([...attributes].map(([, name = "", value = ""]) => [name, value]));
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

/** Open the live page; `vi.unstubAllGlobals` closes it. */
export function openPage(): Page {
  const page = new Page();
  for (const name of ELEMENTS) vi.stubGlobal(name, PageElement);
  vi.stubGlobal("document", {
    body: page.body,
    getElementById: (id: string) => page.byId(id),
    createElement: (tag: string) => new PageElement(page, tag),
    createElementNS: (_: string, tag: string) => new PageElement(page, tag),
    addEventListener: () => {},
    get activeElement() {
      return page.activeElement;
    },
  });
  vi.stubGlobal("window", { addEventListener: () => {} });
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  return page;
}
