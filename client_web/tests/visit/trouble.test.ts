import { expect, it, vi } from "vitest";
import { ModelFailed, troubleOf } from "../../src/visit/trouble";

it("shows why the server could not load its model", () => {
  const trouble = troubleOf(new ModelFailed("the model could not be loaded: the disk is gone"));
  expect(trouble.title).toBe("The server has no model to edit with");
  expect(trouble.words).toBe("The model could not be loaded: the disk is gone.");
});

it("names what nobody foresaw, with a way to try again, and logs it", () => {
  const log = vi.spyOn(console, "error").mockReturnValue();
  const mistake = new TypeError("x is not a function");
  const trouble = troubleOf(mistake);
  expect(trouble.words).toContain("x is not a function");
  expect(trouble.remedies).toContain("retry");
  expect(log).toHaveBeenCalledWith(mistake);
});
