/** WHIP and WHEP clients that nobody here wrote, for `tests/server/test_whip_foreign_clients.py`. */

import { WebRTCPlayer } from "@eyevinn/webrtc-player";
import { WHIPClient as EyevinnPublisher } from "@eyevinn/whip-web-client";
import { WHEPClient } from "whip-whep/whep.js";
import { WHIPClient } from "whip-whep/whip.js";

type Stop = () => Promise<unknown>;

const video = document.querySelector("video") as HTMLVideoElement;

/** A canvas of one colour, redrawn at 30 fps, and a tone. */
function source(colour: string): MediaStream {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 240];
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  let count = 0;
  setInterval(() => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 320, 240);
    context.fillStyle = "white";
    count += 1;
    context.fillRect(count % 320, 0, 2, 2);
  }, 33);
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const out = audio.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  return new MediaStream([...canvas.captureStream(30).getTracks(), ...out.stream.getAudioTracks()]);
}

const publish: Record<string, (url: string, token: string) => Promise<Stop>> = {
  async "whip-whep"(url, token) {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of source("rgb(200 40 40)").getTracks()) {
      connection.addTransceiver(track, { direction: "sendonly" });
    }
    const client = new WHIPClient();
    await client.publish(connection, url, token);
    return () => client.stop();
  },
  async eyevinn(url, token) {
    const client = new EyevinnPublisher({
      endpoint: url,
      opts: { authkey: token, iceServers: [] },
    });
    await client.ingest(source("rgb(200 40 40)"));
    return () => client.destroy();
  },
};

const watch: Record<string, (url: string, token: string) => Promise<Stop>> = {
  async "whip-whep"(url, token) {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    connection.addTransceiver("audio");
    connection.addTransceiver("video");
    connection.ontrack = ({ track, streams }) => {
      if (track.kind === "video") video.srcObject = streams[0] ?? null;
    };
    const client = new WHEPClient();
    await client.view(connection, url, token);
    return () => client.stop();
  },
  async eyevinn(url, token) {
    const player = new WebRTCPlayer({ video, type: "whep", iceServers: [] });
    await player.load(new URL(url), `Bearer ${token}`);
    return async () => player.destroy();
  },
};

Object.assign(window, { publish, watch });
