import type { Place } from "../messages/control";
import type { Family } from "../server/suggestions";
import type { Source } from "../sources/camera";
import type { Remedy, Trouble } from "../troubles";
import type { Stay } from "../visit/stay";
import { Composer } from "./composer";
import { byId } from "./dom";
import { ElsewhereView } from "./elsewhere";
import { FullScreen } from "./full_screen";
import { HistoryView } from "./history";
import { RecordingView } from "./recording";
import { listenToKeys } from "./shortcuts";
import { StackView } from "./stack";
import { Stage } from "./stage";
import { TelemetryView } from "./telemetry";
import { type ToolActions, Tools } from "./tools";
import { TroubleBox } from "./trouble";

/** What the live page asks of the rest. */
export interface LiveActions extends ToolActions {
  apply(text: string, place: Place): void;
  record(original: boolean): void;
  remedy(remedy: Remedy): void;
}

/** The live half of the page. Shows a `Stay`, never changes one. */
export class LiveView {
  private readonly stage: Stage;
  private readonly composer: Composer;
  private readonly tools: Tools;
  private readonly history: HistoryView;
  private readonly stack: StackView;
  private readonly recording: RecordingView;
  private readonly trouble: TroubleBox;
  private readonly elsewhere = new ElsewhereView();
  private readonly telemetry = new TelemetryView();

  constructor(actions: LiveActions) {
    this.tools = new Tools(actions);
    this.stage = new Stage(() => this.tools.toggleFrozen());
    this.composer = new Composer((text, place) => {
      actions.apply(text, place);
      this.stage.flash();
    });
    this.history = new HistoryView((text) => this.composer.submit(text));
    this.stack = new StackView(actions.tell);
    this.recording = new RecordingView(actions.record);
    this.trouble = new TroubleBox(byId("live-trouble", HTMLDivElement), actions.remedy);
    new FullScreen(this.stage.edited);
    listenToKeys({
      compare: () => this.stage.compare(true),
      type: () => this.composer.focus(),
    });
  }

  /** Where the edit shows. */
  get edited(): HTMLVideoElement {
    return this.stage.edited;
  }

  offer(families: readonly Family[]): void {
    this.composer.offer(families);
  }

  /** A new visit begins: nothing of the last one stays. */
  begin(): void {
    this.telemetry.clear();
    this.stage.begin();
    this.composer.begin();
    this.elsewhere.begin();
  }

  /** The visit has another source. */
  follow(source: Source): void {
    this.stage.follow(source);
  }

  show(visit: Stay, sourceTrouble: Trouble | null): void {
    this.stage.show(visit);
    this.composer.show(visit);
    this.tools.show(visit);
    this.history.show(visit.instructions.entries, visit.wanted.inForce.at(-1) ?? null);
    this.stack.show(visit.wanted);
    this.recording.show(visit, performance.now());
    this.elsewhere.show(visit.session, visit.source !== null);
    this.telemetry.show(visit.stats, visit.measured, performance.now());
    this.trouble.show(sourceTrouble ?? visit.trouble, sourceTrouble ? null : visit.retryAt);
  }
}
