// @vitest-environment happy-dom

import { beforeEach, expect, it } from "vitest";
import { byId } from "../src/view/dom";
import { Stage } from "../src/view/stage";
import { openPage } from "./page";

const FRONT_CAMERA = { kind: "camera", mirrored: true } as const;
const BACK_CAMERA = { kind: "camera", mirrored: false } as const;
const DEMO = { kind: "demo", mirrored: false } as const;

let stage: Stage;

beforeEach(() => {
  openPage();
  stage = new Stage(() => {});
  stage.begin();
  stage.follow(FRONT_CAMERA);
});

function mirrored(): boolean {
  return byId("mirror", HTMLButtonElement).getAttribute("aria-pressed") === "true";
}

it("stays as it was mirrored by hand when the camera is opened in another size", () => {
  expect(mirrored()).toBe(true);
  byId("mirror", HTMLButtonElement).click();
  stage.follow({ ...FRONT_CAMERA });
  expect(mirrored()).toBe(false);
});

it("is mirrored as people expect it when it shows something else, or another side", () => {
  stage.follow(BACK_CAMERA);
  expect(mirrored()).toBe(false);
  stage.follow(FRONT_CAMERA);
  expect(mirrored()).toBe(true);
  stage.follow(DEMO);
  expect(mirrored()).toBe(false);
  byId("mirror", HTMLButtonElement).click();
  stage.follow(FRONT_CAMERA);
  expect(mirrored()).toBe(true);
});

it("begins a new visit as if nobody had mirrored anything", () => {
  byId("mirror", HTMLButtonElement).click();
  stage.begin();
  stage.follow(FRONT_CAMERA);
  expect(mirrored()).toBe(true);
});
