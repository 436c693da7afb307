import { byId } from "./dom";

/** Video files, chosen or dropped anywhere on the page where that is of use. */
export class FileChooser {
  private readonly input = byId("file-input", HTMLInputElement);

  /** @param droppable whether a file that is dropped now would be taken */
  constructor(take: (file: File) => void, droppable: () => boolean) {
    this.input.addEventListener("change", () => {
      const file = this.input.files?.[0];
      if (file !== undefined) take(file);
      // The same file can be chosen again.
      this.input.value = "";
    });
    const dropping = byId("dropping", HTMLDivElement);
    window.addEventListener("dragover", (event) => {
      if (!carriesFile(event)) return;
      // Unhandled, the browser would leave the page for the file.
      event.preventDefault();
      if (droppable()) dropping.hidden = false;
      else if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
    });
    window.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) dropping.hidden = true;
    });
    window.addEventListener("drop", (event) => {
      dropping.hidden = true;
      if (!carriesFile(event)) return;
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file !== undefined && droppable()) take(file);
    });
  }

  choose(): void {
    this.input.click();
  }
}

function carriesFile(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
