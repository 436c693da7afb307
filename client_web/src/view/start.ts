import type { Family } from "../server/suggestions";
import { cameraPossible, listCameras, type Size } from "../sources/camera";
import type { Choice, SourceChooser } from "../sources/sources";
import type { Remedy, Trouble } from "../troubles";
import type { Take } from "../visit/take";
import { byId, create, onPress, setPressable, write } from "./dom";
import { InstructionBox } from "./instruction_box";
import { RecordedView } from "./recording";
import { TroubleBox } from "./trouble";

export interface StartActions {
  begin(kind: "camera" | "demo"): void;
  chooseFile(): void;
  remedy(remedy: Remedy): void;
}

/** The first screen: what this is, what to begin with, and where the picture comes from. */
export class StartView implements SourceChooser {
  private readonly box: InstructionBox;
  private readonly trouble: TroubleBox;
  private readonly recorded = new RecordedView(
    "last-recording",
    byId("first-instruction", HTMLInputElement),
  );
  private readonly model = byId("start-model", HTMLSelectElement);

  constructor(actions: StartActions) {
    this.box = new InstructionBox(
      byId("first-instruction", HTMLInputElement),
      byId("first-options", HTMLDivElement),
      () => byId(cameraPossible() ? "use-camera" : "use-demo", HTMLButtonElement).focus(),
    );
    byId("first-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
    });
    this.trouble = new TroubleBox(byId("start-trouble", HTMLDivElement), actions.remedy);
    onPress(byId("use-camera", HTMLButtonElement), () => actions.begin("camera"));
    byId("use-demo", HTMLButtonElement).addEventListener("click", () => actions.begin("demo"));
    byId("use-file", HTMLButtonElement).addEventListener("click", () => actions.chooseFile());
    if (!cameraPossible()) {
      byId("use-camera", HTMLButtonElement).classList.remove("primary");
      byId("use-demo", HTMLButtonElement).classList.add("primary");
      write(byId("camera-note", HTMLElement), "Needs https or localhost");
    }
  }

  get instruction(): string {
    return this.box.input.value.trim();
  }

  set instruction(text: string) {
    this.box.set(text);
  }

  /** Null where there is nothing to choose: the server then takes its own. */
  get chosenModel(): string | null {
    return this.model.options.length < 2 ? null : this.model.value;
  }

  choice(screen: "start" | "live"): Choice {
    const camera = byId(`${screen}-camera`, HTMLSelectElement).value;
    return { deviceId: camera || null, size: chosenSize(`${screen}-size`) };
  }

  offer(families: readonly Family[], models: readonly string[]): void {
    this.box.offer(families);
    byId("start-model-label", HTMLLabelElement).hidden = models.length < 2;
    const chosen = this.model.value;
    this.model.replaceChildren(...models.map((name) => create("option", { value: name }, name)));
    if (models.includes(chosen)) this.model.value = chosen;
  }

  /** While the browser asks about the camera; the other sources stay within reach. */
  busy(words: string | null): void {
    setPressable(byId("use-camera", HTMLButtonElement), words === null);
    const note = cameraPossible() ? "The browser will ask you first" : "Needs https or localhost";
    write(byId("camera-note", HTMLElement), words ?? note);
  }

  /** For a browser that can do none of this. */
  disable(): void {
    for (const id of ["use-camera", "use-demo", "use-file", "open-steer"]) {
      byId(id, HTMLButtonElement).disabled = true;
    }
  }

  /** The visits' recordings stay within reach. */
  showRecorded(take: Take): void {
    this.recorded.show(take);
  }

  showTrouble(trouble: Trouble | null): void {
    this.trouble.show(trouble);
  }
}

/** Fill every camera picker, keeping what was chosen. */
export async function fillCameraPickers(current: string | null): Promise<void> {
  const cameras = await listCameras();
  const options = () => [
    create("option", { value: "" }, cameras.length === 0 ? "None found" : "Default"),
    ...cameras
      .filter(({ deviceId }) => deviceId !== "")
      .map(({ deviceId, label }, index) =>
        create("option", { value: deviceId }, label || `Camera ${index + 1}`),
      ),
  ];
  for (const id of ["start-camera", "live-camera"]) {
    const picker = byId(id, HTMLSelectElement);
    const chosen = current ?? picker.value;
    picker.replaceChildren(...options());
    picker.value = chosen;
    if (picker.selectedIndex === -1) picker.value = "";
  }
}

const SIZE_PICKERS = ["start-size", "live-size"] as const;

const VGA: Size = { width: 640, height: 480 };
const SIZES: readonly Size[] = [{ width: 320, height: 240 }, VGA, { width: 1280, height: 720 }];

/** Fill the size pickers; the usual camera's is chosen. */
export function fillSizePickers(): void {
  SIZES.forEach(setChosenSize);
  setChosenSize(VGA);
}

function chosenSize(pickerId: string): Size {
  const [width = VGA.width, height = VGA.height] = byId(pickerId, HTMLSelectElement)
    .value.split("x")
    .map(Number);
  return { width, height };
}

/** Show `size` in every size picker, adding it where it is not one of the usual ones. */
export function setChosenSize(size: Size): void {
  const value = `${size.width}x${size.height}`;
  for (const id of SIZE_PICKERS) {
    const picker = byId(id, HTMLSelectElement);
    if (![...picker.options].some((option) => option.value === value)) {
      picker.append(create("option", { value }, `${size.width} × ${size.height}`));
    }
    picker.value = value;
  }
}
