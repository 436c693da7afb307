import { checkConnection } from "./check/check";
import { installHook } from "./hook";
import { recall, remember } from "./remembered";
import { Api, type Model } from "./server/api";
import { Http } from "./server/http";
import { Presets } from "./server/presets";
import { ServerWatch } from "./server/watch";
import type { Size, Source } from "./sources/camera";
import { Sources } from "./sources/sources";
import { describe, type Remedy } from "./troubles";
import { CheckView } from "./view/check";
import { byId, focusToType, write } from "./view/dom";
import { FileChooser } from "./view/files";
import { playHero } from "./view/hero";
import { LiveView } from "./view/live";
import { PresetsView } from "./view/presets";
import { serverWords, showServer, visitWords } from "./view/server_line";
import { fillCameraPickers, fillSizePickers, StartView, setChosenSize } from "./view/start";
import { SteerDialog } from "./view/steer";
import { TokenDialog } from "./view/token";
import type { Stay } from "./visit/stay";
import { Steering } from "./visit/steering";
import type { Take } from "./visit/take";
import { Visit } from "./visit/visit";
import { readAddress, steeringAddress, withoutToken } from "./wishes";

const TOKEN_KEY = "afterimage.token";
const PRESET_TRANSITION_MS = 600;

const address = new URL(location.href);
const wanted = readAddress(address);
if (wanted.token !== null) {
  remember("sessionStorage", TOKEN_KEY, wanted.token);
  history.replaceState(null, "", withoutToken(address));
}

const http = new Http(
  new URL(document.baseURI),
  wanted.token ?? recall("sessionStorage", TOKEN_KEY),
);
const api = new Api(http);
let visit: Stay | null = null;
/** What was recorded stays in reach when the visit has ended. */
let lastTake: Take | null = null;

const live = new LiveView({
  apply: (text, place) => visit?.apply(text, place),
  tell: async (request) => (await visit?.tell(request)) ?? false,
  setStrength: (strength) => visit?.setStrength(strength),
  setFrozen: (frozen) => visit?.setFrozen(frozen),
  record: (original) => void visit?.toggleRecording(original),
  remedy,
});
const presets = new PresetsView(new Presets(http), (presetId) =>
  visit?.tell({ type: "preset", preset_id: presetId, transition_ms: PRESET_TRANSITION_MS }),
);
const start = new StartView({
  begin: (kind) => void sources.begin(kind),
  chooseFile: () => files.choose(),
  remedy,
});
const sources = new Sources(start, { visit: ownVisit, enter, changed: sourceChanged });
// The picture of a steering is another's: a file would end it.
const files = new FileChooser(
  (file) => void sources.begin("file", file),
  () => !(visit instanceof Steering),
);
const checkView = new CheckView((onFinding, signal) =>
  checkConnection(api, visit?.source?.kind === "camera", onFinding, signal),
);
const tokenDialog = new TokenDialog(takeToken);
const steerDialog = new SteerDialog(steer);
const server = new ServerWatch(api, {
  show: (condition) => showServer(...serverWords(condition)),
  visited: () => visit !== null,
  learn,
  askForToken: () => tokenDialog.open(http.token !== null),
});
installHook(() => ({ visit, sourceTrouble: sources.trouble?.kind ?? null }));

// --- The visit ---------------------------------------------------------------------------------------------------

function enter(source: Source, size: Size): void {
  setChosenSize(size);
  const own = new Visit(api, live.edited, source, start.chosenModel, render);
  if (start.instruction !== "") own.apply(start.instruction);
  begin(own);
  void own.run();
}

/** Watch and steer what something else sends with this token. */
function steer(token: string): void {
  sources.leave();
  history.replaceState(null, "", steeringAddress(new URL(location.href), token));
  const steering = new Steering(http, api, live.edited, token, render);
  begin(steering);
  void steering.run();
}

function begin(stay: Stay): void {
  visit?.end();
  if (lastTake !== null) stay.take.follow(lastTake);
  lastTake = stay.take;
  visit = stay;
  const [sender, leaveWord] = stay.source === null ? ["other", "Leave"] : ["page", "Stop"];
  document.body.dataset["sender"] = sender;
  write(byId("leave-word", HTMLSpanElement), leaveWord);
  showView("live");
  live.begin();
  presets.begin();
}

/** The visit with a picture of the page's own. */
function ownVisit(): Visit | null {
  return visit instanceof Visit ? visit : null;
}

function leave(): void {
  sources.leave();
  if (visit !== null) {
    visit.end();
    start.showRecorded(visit.take);
  }
  if (visit instanceof Steering) {
    history.replaceState(null, "", steeringAddress(new URL(location.href), null));
  }
  visit = null;
  showView("start");
  if (document.fullscreenElement) void document.exitFullscreen();
  focusToType(byId("first-instruction", HTMLInputElement));
  void server.check();
}

function showView(view: "start" | "live"): void {
  document.body.dataset["view"] = view;
  byId("start", HTMLElement).hidden = view !== "start";
  byId("live", HTMLElement).hidden = view !== "live";
  byId("leave", HTMLButtonElement).hidden = view !== "live";
  scrollTo(0, 0);
}

/** @param opened the new source; null where the old one only got into or out of trouble */
function sourceChanged(opened: Source | null): void {
  if (opened !== null) live.follow(opened);
  const own = ownVisit();
  if (own === null) return;
  const { kind, label, track } = own.source;
  write(byId("source-name", HTMLParagraphElement), label);
  void fillCameraPickers(kind === "camera" ? (track.getSettings().deviceId ?? null) : null);
  render();
}

function remedy(what: Remedy): void {
  switch (what) {
    case "camera":
    case "demo":
      void sources.begin(what);
      return;
    case "file":
      files.choose();
      return;
    case "retry":
      if (visit === null) void server.check();
      else visit.retryNow();
      return;
    case "token":
      if (visit instanceof Steering) steerDialog.open();
      else tokenDialog.open(http.token !== null);
      return;
    case "stop":
      leave();
      return;
    case "check":
      checkView.open();
      return;
    case "keep":
      sources.keep();
      return;
  }
}

let rendering = 0;
function render(): void {
  if (rendering !== 0) return;
  rendering = requestAnimationFrame(() => {
    rendering = 0;
    if (visit === null) return;
    live.show(visit, sources.trouble);
    presets.show(visit.wanted.edits?.layers ?? null);
    showServer(...visitWords(visit));
  });
}

// --- The server --------------------------------------------------------------------------------------------------

function learn(models: readonly Model[]): void {
  const chosen = models.find(({ name }) => name === start.chosenModel);
  const model = chosen ?? models.find(({ loaded }) => loaded) ?? models[0];
  const families = model?.families ?? [];
  live.offer(families);
  start.offer(
    families,
    models.map(({ name }) => name),
  );
}

function takeToken(token: string): void {
  http.token = token;
  remember("sessionStorage", TOKEN_KEY, token);
  if (visit === null) void server.check();
  else {
    server.learn().catch(() => {});
    visit.retryNow();
  }
}

// --- The page ----------------------------------------------------------------------------------------------------

function listen(): void {
  // Followed, the link would take from the address whose edit is steered.
  byId("skip", HTMLAnchorElement).addEventListener("click", (event) => {
    event.preventDefault();
    byId("main", HTMLElement).focus();
  });
  byId("leave", HTMLButtonElement).addEventListener("click", leave);
  byId("open-check", HTMLButtonElement).addEventListener("click", () => checkView.open());
  byId("open-steer", HTMLButtonElement).addEventListener("click", () => steerDialog.open());
  // A picker of one camera has nothing to change to.
  byId("live-use-camera", HTMLButtonElement).addEventListener("click", () => {
    void sources.begin("camera");
  });
  byId("live-demo", HTMLButtonElement).addEventListener("click", () => void sources.begin("demo"));
  byId("live-file", HTMLButtonElement).addEventListener("click", () => files.choose());
  byId("live-camera", HTMLSelectElement).addEventListener("change", () => {
    void sources.begin("camera");
  });
  byId("live-size", HTMLSelectElement).addEventListener("change", () => {
    const own = ownVisit();
    if (own !== null) void sources.begin(own.source.kind);
  });
  byId("start-model", HTMLSelectElement).addEventListener("change", () => learn(server.models));

  navigator.mediaDevices?.addEventListener("devicechange", () => void fillCameraPickers(null));
  window.addEventListener("online", () => visit?.retryNow());
  // An address that only differs behind its hash loads no page anew.
  window.addEventListener("hashchange", () => {
    const token = readAddress(new URL(location.href)).steer;
    if (token !== null && hasWebRtc()) steer(token);
  });
  // The session ends with the page; a page that comes back from the browser's cache starts anew.
  window.addEventListener("pagehide", () => visit?.end());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  // Countdowns move on although nothing is heard.
  setInterval(render, 250);
}

function hasWebRtc(): boolean {
  return typeof RTCPeerConnection !== "undefined";
}

function arrive(): void {
  listen();
  fillSizePickers();
  void fillCameraPickers(null);
  void playHero();
  if (wanted.size !== null) setChosenSize(wanted.size);
  if (wanted.instruction !== null) start.instruction = wanted.instruction;
  // On a phone the picture comes first; the numbers are one touch away.
  if (matchMedia("(max-width: 700px)").matches) {
    byId("telemetry-panel", HTMLDetailsElement).open = false;
  }
  void server.check();
  if (!hasWebRtc()) {
    start.disable();
    start.showTrouble(describe("no-webrtc"));
    return;
  }
  if (wanted.steer !== null) steer(wanted.steer);
  else if (wanted.autostart) void sources.begin(wanted.source ?? "demo");
}

arrive();
