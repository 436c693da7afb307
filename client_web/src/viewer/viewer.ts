/** The page for OBS's Browser Source: the edit, nothing else, for as long as the page is open. */

import { parseStats, type Stats } from "../messages/stats";
import { ConnectionFailed } from "../rtc/peer";
import { untilStill } from "../rtc/pictures";
import { askedToWaitS, type Viewing, watch } from "../rtc/whep";
import { Backoff } from "../server/backoff";
import { authorized, Unreachable } from "../server/http";
import { byId, write } from "../view/dom";
import { hudWords } from "../view/hud";
import { readViewerAddress, whepEndpoint } from "./address";
import { startToPlay } from "./playing";

const STATS_TIMEOUT_MS = 2_000;

const base = new URL(".", document.baseURI);
const wishes = readViewerAddress(new URL(location.href));
const video = byId("picture", HTMLVideoElement);
const hud = byId("hud", HTMLParagraphElement);
const backoff = new Backoff();

video.muted = !wishes.sound;
hud.hidden = !wishes.hud;
let viewing: Viewing | null = null;
addEventListener("pagehide", () => viewing?.end());
addEventListener("hashchange", () => location.reload());
if (wishes.hud) setInterval(() => void tell(), 1_000);
void stay();

/** Watch, and when that ends watch again. */
async function stay(): Promise<never> {
  for (;;) {
    let waitMs: number;
    try {
      viewing = await watch(whepEndpoint(base, wishes.session), wishes.token);
      await show(viewing);
      waitMs = backoff.next();
    } catch (error) {
      waitMs = backoff.next(askedToWaitS(error) * 1_000);
      if (!(error instanceof Error)) throw error;
      const expected = error instanceof Unreachable || error instanceof ConnectionFailed;
      if (!expected) console.info(`Afterimage: ${error.message}`);
    }
    document.body.dataset["state"] = "waiting";
    video.srcObject = null;
    viewing?.end();
    viewing = null;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Show it until it ends or stands still. */
async function show({ connection, stream }: Viewing): Promise<void> {
  video.srcObject = stream;
  startToPlay(video);
  await untilStill(connection, () => {
    document.body.dataset["state"] = "live";
    backoff.reset();
  });
}

async function tell(): Promise<void> {
  write(hud, hudWords(await stats(), video.videoWidth, video.videoHeight));
}

async function stats(): Promise<Stats | null> {
  if (viewing?.session == null) return null;
  try {
    const headers = authorized(wishes.token);
    // Unanswered ones would pile up, and the next try to watch behind them.
    const signal = AbortSignal.timeout(STATS_TIMEOUT_MS);
    const request: RequestInit = { headers, cache: "no-store", signal };
    const response = await fetch(`${viewing.session.href}/stats`, request);
    return response.ok ? parseStats(await response.json()) : null;
  } catch {
    return null;
  }
}
