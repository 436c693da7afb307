import { expect, it } from "vitest";
import { ModelFailed, troubleOf } from "../../src/visit/trouble";

it("shows why the server could not load its model", () => {
  const trouble = troubleOf(new ModelFailed("the model could not be loaded: the disk is gone"));
  expect(trouble.title).toBe("The server has no model to edit with");
  expect(trouble.words).toBe("The model could not be loaded: the disk is gone.");
});
