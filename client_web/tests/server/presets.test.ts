import { expect, it } from "vitest";
import { objectionToFile } from "../../src/server/presets";

it("takes a file of presets for one, and says what is wrong with any other", () => {
  const file = { format: "afterimage-presets", version: 1, presets: [] };
  expect(objectionToFile(JSON.stringify(file))).toBeNull();
  expect(objectionToFile(JSON.stringify({ ...file, version: 2 }))).toContain("newer");
  expect(objectionToFile('{"name": "my-package"}')).toContain("no presets");
  for (const content of ["", "{", "[1]", "7", "null"]) {
    expect(objectionToFile(content)).toContain("not a JSON file");
  }
});
