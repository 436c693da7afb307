import { Api, type Model, Problem, Unreachable } from "./api";
import { openCamera, type Size, type Source } from "./camera";
import { checkConnection } from "./check";
import { openDemo, openFile } from "./clips";
import { installHook } from "./hook";
import type { Family } from "./suggestions";
import { CameraTrouble, describe, type Remedy, type Trouble } from "./troubles";
import { CheckView } from "./view/check";
import { byId, write } from "./view/dom";
import { playHero } from "./view/hero";
import { objection } from "./view/instruction_box";
import { CAMERA_ENDED, LiveView } from "./view/live";
import { PresetsView } from "./view/presets";
import { chosenSize, fillCameraPickers, StartView, setChosenSize } from "./view/start";
import { Visit } from "./visit";
import { readAddress, withoutToken } from "./wishes";

const TOKEN_KEY = "afterimage.token";
const SERVER_CHECK_MS = 1_500;

const address = new URL(location.href);
const wanted = readAddress(address);
if (wanted.token !== null) {
  sessionStorage.setItem(TOKEN_KEY, wanted.token);
  history.replaceState(null, "", withoutToken(address));
}

const api = new Api(new URL(document.baseURI), sessionStorage.getItem(TOKEN_KEY));
let models: readonly Model[] = [];
let visit: Visit | null = null;
let sourceTrouble: Trouble | null = null;
/** The file last opened, to reopen it in another size. */
let file: File | null = null;

const live = new LiveView({
  apply: (text, place) => visit?.apply(text, place),
  setStrength: (strength) => visit?.setStrength(strength),
  setFrozen: (frozen) => visit?.setFrozen(frozen),
  setBypassed: (bypassed) => visit?.setBypassed(bypassed),
  undo: () => visit?.undo(),
  redo: () => visit?.redo(),
  record: (original) => visit?.toggleRecording(original),
  switchLayer: (layer, enabled) => visit?.switchLayer(layer, enabled),
  moveLayer: (layer, position) => visit?.moveLayer(layer, position),
  removeLayer: (layer) => visit?.removeLayer(layer),
  remedy,
});
const presets = new PresetsView(api, (presetId) => visit?.followPreset(presetId));
const start = new StartView({
  begin: (kind) => void begin(kind),
  chooseFile,
  remedy,
});
const checkView = new CheckView((onFinding, signal) =>
  checkConnection(api, visit?.source.kind === "camera", onFinding, signal),
);
installHook(() => ({ visit, sourceTrouble: sourceTrouble?.kind ?? null }));

// --- The source: a camera, the demo clip or a file ---------------------------------------------------------------

type SourceKind = Source["kind"];
/** Counts requests for a source: one that comes after a newer request is closed again. */
let asked = 0;

function open(
  kind: SourceKind,
  size: Size,
  pickerId: string,
  chosen: File | null,
): Promise<Source> {
  if (kind === "demo") return openDemo(size);
  if (kind === "file" && chosen !== null) return openFile(chosen, size);
  return openCamera(byId(pickerId, HTMLSelectElement).value || null, size);
}

/** Begin with this source, or change to it while live; say why not where it does not open. */
async function begin(kind: SourceKind, chosen: File | null = file): Promise<void> {
  asked += 1;
  const request = asked;
  try {
    const opened = visit === null ? await first(kind, chosen) : await another(visit, kind, chosen);
    if (opened === null) return;
    const { source, size } = opened;
    if (request !== asked) {
      source.close();
      return;
    }
    if (kind === "file") file = chosen;
    sourceTrouble = null;
    watch(source);
    if (visit === null) enter(source, size);
    else await visit.replaceSource(source);
    live.setMirrored(source.mirrored);
  } catch (error) {
    if (!(error instanceof CameraTrouble)) throw error;
    if (request === asked) complain(describe(error.kind, error.detail));
  } finally {
    if (request === asked) start.busy(null);
  }
  sourceChanged();
  render();
}

interface Opened {
  readonly source: Source;
  readonly size: Size;
}

async function first(kind: SourceKind, chosen: File | null): Promise<Opened | null> {
  start.showTrouble(null);
  const wrong = start.instruction === "" ? null : objection(start.instruction);
  if (wrong !== null) {
    start.showTrouble(describe("instruction-unfit", wrong));
    return null;
  }
  start.busy(kind === "camera" ? "Waiting for your permission…" : null);
  const size = chosenSize("start-size");
  return { source: await open(kind, size, "start-camera", chosen), size };
}

async function another(visit: Visit, kind: SourceKind, chosen: File | null): Promise<Opened> {
  // Phones lend one camera at a time: the old one must go before the new one is asked for.
  if (kind === "camera" && visit.source.kind === "camera") visit.source.close();
  const size = chosenSize("live-size");
  return { source: await open(kind, size, "live-camera", chosen), size };
}

function complain(trouble: Trouble): void {
  if (visit === null) {
    start.showTrouble(trouble);
    return;
  }
  const goesOn = visit.source.track.readyState === "live";
  sourceTrouble = goesOn ? { ...trouble, remedies: [...trouble.remedies, "keep"] } : trouble;
}

/** A camera can be unplugged or taken back at any time. */
function watch(source: Source): void {
  source.track.addEventListener("ended", () => {
    if (visit?.source !== source) return;
    sourceTrouble = CAMERA_ENDED;
    render();
  });
}

function chooseFile(): void {
  byId("file-input", HTMLInputElement).click();
}

function takeFile(chosen: File | undefined): void {
  if (chosen !== undefined) void begin("file", chosen);
}

function sourceChanged(): void {
  if (visit === null) return;
  const { source } = visit;
  write(byId("source-name", HTMLParagraphElement), source.label);
  const device = source.kind === "camera" ? (source.track.getSettings().deviceId ?? null) : null;
  void fillCameraPickers(device);
}

// --- The visit ---------------------------------------------------------------------------------------------------

function enter(source: Source, size: Size): void {
  setChosenSize(size);
  visit = new Visit(api, live.edited, source, start.chosenModel, render);
  if (start.instruction !== "") visit.apply(start.instruction);
  document.body.dataset["view"] = "live";
  byId("start", HTMLElement).hidden = true;
  byId("live", HTMLElement).hidden = false;
  byId("leave", HTMLButtonElement).hidden = false;
  live.begin();
  presets.begin();
  void visit.run();
}

function leave(): void {
  asked += 1;
  visit?.end();
  visit = null;
  sourceTrouble = null;
  document.body.dataset["view"] = "start";
  byId("start", HTMLElement).hidden = false;
  byId("live", HTMLElement).hidden = true;
  byId("leave", HTMLButtonElement).hidden = true;
  if (document.fullscreenElement) void document.exitFullscreen();
  byId("first-instruction", HTMLInputElement).focus();
  void checkServer();
}

function remedy(what: Remedy): void {
  switch (what) {
    case "camera":
    case "demo":
      void begin(what);
      return;
    case "file":
      chooseFile();
      return;
    case "retry":
      if (visit === null) void checkServer();
      else visit.retryNow();
      return;
    case "token":
      askForToken(false);
      return;
    case "stop":
      leave();
      return;
    case "check":
      checkView.open();
      return;
    case "keep":
      sourceTrouble = null;
      render();
      return;
  }
}

let rendering = 0;
function render(): void {
  if (rendering !== 0) return;
  rendering = requestAnimationFrame(() => {
    rendering = 0;
    if (visit === null) return;
    live.show(visit, sourceTrouble);
    presets.show(visit.edits?.layers ?? []);
    serverWords(...visitWords(visit));
  });
}

function visitWords(visit: Visit): [string, Tone] {
  switch (visit.state) {
    case "connecting":
      return ["Connecting…", "quiet"];
    case "live":
      return ["Live", "good"];
    case "frozen":
      return ["Frozen", "quiet"];
    case "degraded":
      return ["Editor recovering", "bad"];
    case "waiting":
      return visit.trouble?.kind === "server-warming"
        ? ["Warming up…", "quiet"]
        : ["Not connected", "bad"];
    case "ended":
      return ["Stopped", "quiet"];
  }
}

// --- The server, before and between visits -----------------------------------------------------------------------

type Tone = "quiet" | "good" | "bad";

function serverWords(words: string, tone: Tone): void {
  const line = byId("server-status", HTMLParagraphElement);
  line.dataset["tone"] = tone;
  write(line, words);
}

function learn(known: readonly Model[]): void {
  models = known;
  const chosen = models.find(({ name }) => name === start.chosenModel);
  const families: readonly Family[] =
    (chosen ?? models.find((m) => m.loaded) ?? models[0])?.families ?? [];
  live.offer(families);
  start.offer(
    families,
    models.map(({ name }) => name),
  );
}

let check = 0;
/** Ask the server how it is, until it is well; the first screen says what was heard. */
async function checkServer(): Promise<void> {
  clearTimeout(check);
  try {
    if (models.length === 0) learn(await api.models());
    const notReady = await api.notReady();
    if (visit !== null) return;
    if (notReady === null) {
      const model = models.find((m) => m.loaded) ?? models[0];
      serverWords(model === undefined ? "Ready" : `${model.name} is ready`, "good");
      return;
    }
    if (notReady.warming) serverWords("Warming up…", "quiet");
    else serverWords("Model not loaded", "bad");
  } catch (error) {
    if (visit !== null) return;
    if (error instanceof Problem && error.status === 401) {
      serverWords("Token needed", "bad");
      askForToken(api.token !== null);
      return;
    }
    if (!(error instanceof Unreachable || error instanceof Problem)) throw error;
    serverWords("Server does not answer", "bad");
  }
  check = window.setTimeout(() => void checkServer(), SERVER_CHECK_MS);
}

function askForToken(wrong: boolean): void {
  const dialog = byId("token-dialog", HTMLDialogElement);
  byId("token-wrong", HTMLParagraphElement).hidden = !wrong;
  if (!dialog.open) dialog.showModal();
}

function takeToken(): void {
  const field = byId("token", HTMLInputElement);
  if (field.value === "") return;
  api.token = field.value;
  sessionStorage.setItem(TOKEN_KEY, field.value);
  field.value = "";
  if (visit === null) void checkServer();
  else {
    if (models.length === 0) void api.models().then(learn, () => {});
    visit.retryNow();
  }
}

// --- The page ----------------------------------------------------------------------------------------------------

function listen(): void {
  byId("leave", HTMLButtonElement).addEventListener("click", leave);
  byId("open-check", HTMLButtonElement).addEventListener("click", () => checkView.open());
  byId("file-input", HTMLInputElement).addEventListener("change", (event) => {
    const input = event.target as HTMLInputElement;
    takeFile(input.files?.[0]);
    // The same file can be chosen again.
    input.value = "";
  });
  byId("live-demo", HTMLButtonElement).addEventListener("click", () => void begin("demo"));
  byId("live-file", HTMLButtonElement).addEventListener("click", chooseFile);
  byId("live-camera", HTMLSelectElement).addEventListener("change", () => void begin("camera"));
  byId("live-size", HTMLSelectElement).addEventListener("change", () => {
    if (visit !== null) void begin(visit.source.kind);
  });
  byId("start-model", HTMLSelectElement).addEventListener("change", () => learn(models));
  byId("token-form", HTMLFormElement).addEventListener("submit", takeToken);

  const dropping = byId("dropping", HTMLDivElement);
  const carriesFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  window.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    dropping.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) dropping.hidden = true;
  });
  window.addEventListener("drop", (event) => {
    dropping.hidden = true;
    if (!carriesFile(event)) return;
    event.preventDefault();
    takeFile(event.dataTransfer?.files[0]);
  });

  navigator.mediaDevices?.addEventListener("devicechange", () => void fillCameraPickers(null));
  window.addEventListener("online", () => visit?.retryNow());
  // The session ends with the page; a page that comes back from the browser's cache starts anew.
  window.addEventListener("pagehide", () => visit?.end());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  // Countdowns move on although nothing is heard.
  setInterval(render, 250);
}

function arrive(): void {
  listen();
  void fillCameraPickers(null);
  void playHero();
  if (wanted.size !== null) setChosenSize(wanted.size);
  if (wanted.instruction !== null) start.instruction = wanted.instruction;
  // On a phone the picture comes first; the numbers are one touch away.
  if (matchMedia("(max-width: 700px)").matches) {
    byId("telemetry-panel", HTMLDetailsElement).open = false;
  }
  if (typeof RTCPeerConnection === "undefined") {
    start.disable();
    start.showTrouble(describe("no-webrtc"));
    return;
  }
  void checkServer();
  if (wanted.autostart) void begin(wanted.source ?? "demo");
}

arrive();
