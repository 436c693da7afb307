import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Receiving, untilStill } from "../../src/rtc/pictures";

/** A connection whose pictures come as the test lets them. */
class Connection implements Receiving {
  connectionState: RTCPeerConnectionState = "connected";
  framesDecoded: number | undefined = undefined;

  async getStats(): Promise<Map<string, object>> {
    const { framesDecoded } = this;
    return new Map<string, object>([
      ["up", { type: "outbound-rtp", kind: "video", framesEncoded: 99 }],
      ["sound", { type: "inbound-rtp", kind: "audio", framesDecoded: 99 }],
      // Before the first frame some browsers leave the counter out.
      ["picture", { type: "inbound-rtp", kind: "video", framesDecoded }],
    ]);
  }
}

let connection: Connection;
let pictures: number;
let over: boolean;

function begin(ended?: AbortSignal): void {
  void untilStill(connection, () => (pictures += 1), ended).then(() => (over = true));
}

beforeEach(() => {
  vi.useFakeTimers();
  connection = new Connection();
  [pictures, over] = [0, false];
});
afterEach(() => {
  vi.useRealTimers();
});

it("tells of pictures as they are decoded, and ends five seconds after the last", async () => {
  begin();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(pictures).toBe(0);
  connection.framesDecoded = 1;
  await vi.advanceTimersByTimeAsync(200);
  connection.framesDecoded = 2;
  await vi.advanceTimersByTimeAsync(200);
  expect(pictures).toBe(2);

  await vi.advanceTimersByTimeAsync(4_000);
  expect(over).toBe(false);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(over).toBe(true);
});

it("waits longer for the first picture, but not for ever", async () => {
  begin();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(over).toBe(false);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(over).toBe(true);
});

it("ends at once where the connection fails, or nobody waits any more", async () => {
  begin();
  connection.connectionState = "failed";
  await vi.advanceTimersByTimeAsync(200);
  expect(over).toBe(true);

  over = false;
  connection = new Connection();
  const leaving = new AbortController();
  begin(leaving.signal);
  await vi.advanceTimersByTimeAsync(1_000);
  leaving.abort();
  await vi.advanceTimersByTimeAsync(200);
  expect(over).toBe(true);
});
