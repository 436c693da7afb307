import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Stage } from "../src/view/stage";
import { openPage, type Page } from "./page";

const FRONT_CAMERA = { kind: "camera", mirrored: true } as const;
const BACK_CAMERA = { kind: "camera", mirrored: false } as const;
const DEMO = { kind: "demo", mirrored: false } as const;

let page: Page;
let stage: Stage;

beforeEach(() => {
  page = openPage();
  stage = new Stage(() => {});
  stage.begin();
  stage.follow(FRONT_CAMERA);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function mirrored(): boolean {
  return page.byId("mirror").getAttribute("aria-pressed") === "true";
}

it("stays as it was mirrored by hand when the camera is opened in another size", () => {
  expect(mirrored()).toBe(true);
  page.byId("mirror").click();
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
  page.byId("mirror").click();
  stage.follow(FRONT_CAMERA);
  expect(mirrored()).toBe(true);
});

it("begins a new visit as if nobody had mirrored anything", () => {
  page.byId("mirror").click();
  stage.begin();
  stage.follow(FRONT_CAMERA);
  expect(mirrored()).toBe(true);
});
