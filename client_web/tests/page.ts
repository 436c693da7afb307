/** The page without a browser: `index.html` in happy-dom, for tests whose environment that is. */

import html from "../index.html?raw";

/** What cannot have the focus, nor can anything in it. */
const UNFOCUSABLE = "[hidden], :disabled, dialog:not([open])";

/** Open the live page anew. */
export function openPage(): void {
  // The head only names what happy-dom is not to load.
  const written = html.slice(html.indexOf("<body"));
  document.body.replaceWith(new DOMParser().parseFromString(written, "text/html").body);
  document.getElementById("start")?.toggleAttribute("hidden", true);
  document.getElementById("live")?.toggleAttribute("hidden", false);
}

/**
 * The focus fixup of HTML's "update the rendering", which happy-dom lacks.
 *
 * Where what has the focus is no focusable area any more, as it is hidden or disabled, the viewport gets it.
 */
function fixFocus(): void {
  const focused = (): Element | null => Reflect.get(Document.prototype, "activeElement", document);
  Object.defineProperty(document, "activeElement", {
    get: () => {
      if (focused()?.closest(UNFOCUSABLE)) document.body.focus();
      return focused();
    },
  });
}

fixFocus();
