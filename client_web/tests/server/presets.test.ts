import { expect, it, vi } from "vitest";
import { Http, Unreachable } from "../../src/server/http";
import { objectionToFile, Presets } from "../../src/server/presets";

it("takes a file of presets for one, and says what is wrong with any other", () => {
  const file = { format: "afterimage-presets", version: 1, presets: [] };
  expect(objectionToFile(JSON.stringify(file))).toBeNull();
  expect(objectionToFile(JSON.stringify({ ...file, version: 2 }))).toContain("newer");
  expect(objectionToFile('{"name": "my-package"}')).toContain("no presets");
  for (const content of ["", "{", "[1]", "7", "null"]) {
    expect(objectionToFile(content)).toContain("not a JSON file");
  }
});

it("finds a preset as it is kept, and takes nothing else for one", async () => {
  const layers = [{ text: "fog", strength: 0.5, enabled: false }];
  const asked: string[] = [];
  let answer: unknown = { id: "a/b", name: "Foggy", layers };
  vi.stubGlobal("fetch", async (url: URL) => {
    asked.push(url.href);
    return Response.json(answer);
  });
  const presets = new Presets(new Http(new URL("http://localhost/below/"), null));
  expect(await presets.find("a/b")).toEqual({ id: "a/b", name: "Foggy", layers });
  expect(asked).toEqual(["http://localhost/below/v1/presets/a%2Fb"]);

  answer = "a portal's page";
  await expect(presets.find("a/b")).rejects.toBeInstanceOf(Unreachable);
  vi.unstubAllGlobals();
});
