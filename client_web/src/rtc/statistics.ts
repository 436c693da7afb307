import type { Percentiles, Stats } from "../messages/stats";
import { type ClientReport, parseTelemetry } from "../messages/telemetry";
import { RecentSamples } from "./percentiles";
import { FrameMatcher } from "./rtp";
import { type Traffic, TrafficMeter } from "./traffic";

/** What the page itself measures; null where the browser does not let it. */
export interface Measured {
  readonly glassToGlass: Percentiles | null;
  readonly downlink: Percentiles | null;
  readonly displayedFps: number | null;
  readonly traffic: Traffic | null;
}

/** A frame on the screen, as the browser tells it. */
export interface Shown {
  readonly rtp: number | null;
  /** Unix milliseconds of this machine. */
  readonly shownAtMs: number;
}

const WINDOW_MS = 5_000;
const REPORT_EVERY_MS = 500;
const NOTHING: Measured = {
  glassToGlass: null,
  downlink: null,
  displayedFps: null,
  traffic: null,
};

/** `receiveTime` and `rtpTimestamp` are only there for received video, and not in every browser. */
type FrameMetadata = VideoFrameCallbackMetadata & { rtpTimestamp?: number; receiveTime?: number };

/** Measures one connection: which frames were shown when, and what the server says about them. */
export class Statistics {
  stats: Stats | null = null;
  measured: Measured = NOTHING;
  /** performance.now() of the last message on the telemetry channel; null before the first. */
  heardAt: number | null = null;

  private readonly matcher = new FrameMatcher();
  private readonly glassToGlass = new RecentSamples(WINDOW_MS);
  private readonly downlink = new RecentSamples(WINDOW_MS);
  private readonly displayed = new RecentSamples(2_000);
  private readonly countsFrames: boolean;
  private everShown = false;
  private readonly meter = new TrafficMeter();
  private traffic: Traffic | null = null;
  private readonly timer: ReturnType<typeof setInterval>;
  private callback = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly connection: RTCPeerConnection,
    private readonly telemetry: RTCDataChannel,
    private readonly onShown: (shown: Shown) => void,
    private readonly onChange: () => void,
  ) {
    telemetry.addEventListener("message", this.hear);
    this.countsFrames = "requestVideoFrameCallback" in video;
    if (this.countsFrames) this.callback = video.requestVideoFrameCallback(this.see);
    this.timer = setInterval(() => void this.report(), REPORT_EVERY_MS);
  }

  close(): void {
    clearInterval(this.timer);
    this.telemetry.removeEventListener("message", this.hear);
    if (this.countsFrames) this.video.cancelVideoFrameCallback(this.callback);
  }

  private readonly hear = (event: MessageEvent): void => {
    const message = parseTelemetry(event.data);
    if (message === null) return;
    const now = performance.now();
    this.heardAt = now;
    if (message.type === "frames") {
      for (const ms of this.matcher.originate(message.frames)) this.glassToGlass.add(ms, now);
      return;
    }
    this.stats = message.stats;
    this.onChange();
  };

  private readonly see = (now: number, metadata: FrameMetadata): void => {
    this.callback = this.video.requestVideoFrameCallback(this.see);
    this.everShown = true;
    this.displayed.add(1, now);
    const { rtpTimestamp = null, receiveTime = null, expectedDisplayTime } = metadata;
    const shownAtMs = performance.timeOrigin + expectedDisplayTime;
    if (rtpTimestamp !== null) {
      const latency = this.matcher.show({ rtp: rtpTimestamp, shownAtMs });
      if (latency !== null) this.glassToGlass.add(latency, now);
    }
    const roundTripMs = this.traffic?.path?.roundTripMs ?? null;
    if (receiveTime !== null && roundTripMs !== null) {
      this.downlink.add(expectedDisplayTime - receiveTime + roundTripMs / 2, now);
    }
    this.onShown({ rtp: rtpTimestamp === null ? null : rtpTimestamp >>> 0, shownAtMs });
  };

  private async report(): Promise<void> {
    const now = performance.now();
    const shown = this.displayed.count(now);
    this.measured = {
      glassToGlass: this.glassToGlass.percentiles(now),
      downlink: this.downlink.percentiles(now),
      displayedFps: this.everShown ? shown / 2 : null,
      traffic: this.traffic,
    };
    this.onChange();
    if (this.telemetry.readyState === "open") {
      const report: ClientReport = {
        v: 1,
        type: "client",
        glass_to_glass_ms: this.measured.glassToGlass,
        downlink_ms: this.measured.downlink,
        displayed_fps: this.measured.displayedFps,
      };
      this.telemetry.send(JSON.stringify(report));
    }
    if (this.connection.connectionState === "closed") return;
    this.traffic = this.meter.read(await this.connection.getStats());
  }
}
