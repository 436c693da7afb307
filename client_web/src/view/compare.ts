/** Whatever is held to compare shows the original for as long as it is held. */

/**
 * @param button pressed by pointer or by key
 * @param pictures pressed by pointer
 * @param compare told when the hold begins and ends
 */
export function holdToCompare(
  button: HTMLElement,
  pictures: readonly HTMLElement[],
  compare: (on: boolean) => void,
): void {
  const release = () => compare(false);
  for (const target of [button, ...pictures]) {
    target.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      target.setPointerCapture(event.pointerId);
      compare(true);
    });
    target.addEventListener("pointerup", release);
    target.addEventListener("pointercancel", release);
    target.addEventListener("lostpointercapture", release);
    // A long touch would open the menu and end the hold.
    target.addEventListener("contextmenu", (event) => event.preventDefault());
  }
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    compare(true);
  });
  document.addEventListener("keyup", (event) => {
    if ([" ", "Enter", "c", "C"].includes(event.key)) release();
  });
  window.addEventListener("blur", release);
}
