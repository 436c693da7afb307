import { describe, expect, it } from "vitest";
import { parseStats } from "../../src/messages/stats";

describe("stats", () => {
  it("says null for what was not measured, never 0", () => {
    const stats = parseStats({ frames: { in: 3 }, stages_ms: { edit: { p50: 20, p95: 25 } } });
    expect(stats?.frames).toEqual({
      in: 3,
      edited: null,
      passed: null,
      repeated: null,
      dropped: {},
    });
    expect(stats?.stages_ms.edit).toEqual({ p50: 20, p95: 25 });
    expect(stats?.stages_ms.uplink).toBeNull();
    expect(stats?.memory.process_bytes).toBeNull();
    expect(stats?.drift).toBeNull();
  });

  it("keeps what became of every frame, and which version of the model runs", () => {
    const frames = { in: 9, edited: 5, passed: 3, repeated: 1, dropped: { inbox: 2 } };
    const stats = parseStats({ frames, model: "rfdm-tiny", version: "1" });
    expect(stats?.frames).toEqual(frames);
    expect([stats?.model, stats?.version]).toEqual(["rfdm-tiny", "1"]);
  });

  it("does not take other types for numbers", () => {
    const stats = parseStats({ fps: { in: "30", out: true }, server_ms: { p50: 3, p95: null } });
    expect(stats?.fps).toEqual({ in: null, out: null });
    expect(stats?.server_ms).toBeNull();
  });
});

describe("what works behind the frames", () => {
  it("is a build with its progress and estimate, or none", () => {
    const build = {
      compiler: "tensorrt",
      size: [512, 512],
      phase: "timing kernels",
      progress: 1.2,
      elapsed_s: 12.5,
      remaining_s: null,
      failure: null,
    };
    expect(parseStats({ build })?.build).toEqual({ ...build, progress: 1 });
    expect(parseStats({ build: null })?.build).toBeNull();
    expect(parseStats({ build: { progress: 0.5 } })?.build).toBeNull();
  });

  it("is a decoder and encoders by FFmpeg's names", () => {
    const encoder = { codec: "H264", name: "h264_nvenc", bitrate_bps: 2_500_000 };
    const codecs = { decoder: "vp8", encoders: [encoder, { name: "nameless" }, 7] };
    expect(parseStats({ codecs })?.codecs).toEqual({ decoder: "vp8", encoders: [encoder] });
    expect(parseStats({})?.codecs).toEqual({ decoder: null, encoders: [] });
  });
});
