import { describe, expect, it, vi } from "vitest";
import { copyFrom } from "../src/view/copying";
import { cautionWords, noteWords } from "../src/view/elsewhere";
import { cameraCommand, isOfThisMachine, SeenAddress } from "../src/visit/elsewhere";

describe("the command for a virtual camera", () => {
  it("names the session and its token", () => {
    const url = new URL("http://127.0.0.1:8080/v1/sessions/Vb7c1Q-_");
    expect(cameraCommand({ url, token: "Qp1v" })).toBe(
      ".venv/bin/afterimage camera --session http://127.0.0.1:8080/v1/sessions/Vb7c1Q-_ --token=Qp1v",
    );
  });

  it("keeps a token that begins with a dash apart from the options", () => {
    const url = new URL("http://127.0.0.1/v1/sessions/s");
    expect(cameraCommand({ url, token: "-Qp1v" })).toContain(" --token=-Qp1v");
  });

  it("quotes what a shell would read more into", () => {
    const url = new URL("http://[::1]:8080/it's/v1/sessions/s");
    expect(cameraCommand({ url, token: "t" })).toContain(
      " --session 'http://[::1]:8080/it'\\''s/v1/sessions/s' ",
    );
  });
});

it("knows an address that is found from this machine only", () => {
  const hosts = ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "192.168.1.5", "127.example.org"];
  expect(hosts.map(isOfThisMachine)).toEqual([true, true, true, true, false, false]);
});

describe("an address that the visitor has seen", () => {
  it("is outdated once the connection was made anew", () => {
    const seen = new SeenAddress();
    seen.see("s1");
    expect(seen.isOutdated("s1")).toBe(false);
    expect(seen.isOutdated(null)).toBe(false);
    expect(seen.isOutdated("s2")).toBe(true);
    // Also while the panel is looked at.
    seen.see("s2");
    expect(seen.isOutdated("s2")).toBe(true);
  });

  it("is the present one after the visitor has looked", () => {
    const seen = new SeenAddress();
    seen.see("s1");
    seen.looked("s2");
    expect(seen.isOutdated("s2")).toBe(false);
    // Closed without a connection: the visitor still has the last one's.
    seen.looked(null);
    expect(seen.isOutdated("s3")).toBe(true);
  });

  it("is nobody's where none was seen, or of another visit", () => {
    const seen = new SeenAddress();
    expect(seen.isOutdated("s1")).toBe(false);
    seen.see(null);
    expect(seen.isOutdated("s1")).toBe(false);
    seen.see("s1");
    seen.forget();
    expect(seen.isOutdated("s2")).toBe(false);
  });
});

it("says how long an address is good for, and when it is another", () => {
  expect(noteWords(true, false, true)).toContain("until this visit ends");
  expect(noteWords(true, true, true)).toContain("replace the old one");
  expect(noteWords(false, false, true)).toContain("no connection");
});

describe("copying", () => {
  function field() {
    return { value: "http://127.0.0.1:8080/view", focus: vi.fn(), select: vi.fn() };
  }

  it("puts the text on the clipboard and leaves the focus where it is", async () => {
    const [from, writeText] = [field(), vi.fn(async () => {})];
    expect(await copyFrom(from, { writeText })).toBe(true);
    expect(writeText).toHaveBeenCalledWith("http://127.0.0.1:8080/view");
    expect(from.focus).not.toHaveBeenCalled();
  });

  it("selects the text where there is no clipboard, or none for the page", async () => {
    const refusing = {
      writeText: () => Promise.reject(new DOMException("not allowed", "NotAllowedError")),
    };
    for (const clipboard of [undefined, refusing]) {
      const from = field();
      expect(await copyFrom(from, clipboard)).toBe(false);
      expect(from.focus).toHaveBeenCalled();
      expect(from.select).toHaveBeenCalled();
    }
  });
});

it("says what the token of somebody else's stream allows", () => {
  expect(noteWords(true, false, false)).toContain("until the sender stops");
  expect(cautionWords(false)).toContain("use the whole server");
  expect(cautionWords(true)).toContain("your camera's own picture");
});
