import { afterEach, expect, it, vi } from "vitest";
import { ConnectionFailed, connect } from "../../src/rtc/peer";

/** A connection whose control channel closes instead of opening. */
class Connection extends EventTarget {
  readonly iceGatheringState = "complete";
  readonly localDescription = { sdp: "v=0" };
  readonly channel = new EventTarget();
  readonly close = vi.fn();

  createDataChannel(): EventTarget {
    return this.channel;
  }

  addTransceiver(): object {
    return { sender: { getParameters: () => ({}) }, receiver: {} };
  }

  async setLocalDescription(): Promise<void> {}

  async setRemoteDescription(): Promise<void> {
    setTimeout(() => this.channel.dispatchEvent(new Event("close")));
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it("lets go of what it listened to when a connection does not open", async () => {
  vi.stubGlobal("RTCPeerConnection", Connection);
  const { signal } = new AbortController();
  const listens = vi.spyOn(signal, "addEventListener");
  const stops = vi.spyOn(signal, "removeEventListener");

  const connected = connect(
    {} as MediaStreamTrack,
    { iceServers: [], maxBitrate: null },
    async () => "v=0",
    signal,
  );

  await expect(connected).rejects.toBeInstanceOf(ConnectionFailed);
  expect(listens).toHaveBeenCalled();
  expect(stops.mock.calls).toEqual(listens.mock.calls);
});
