import { expect, it } from "vitest";
import { readAddress, steeringAddress, withoutToken } from "../src/wishes";

const read = (tail: string) => readAddress(new URL(`http://localhost/${tail}`));

it("reads what the address asks for", () => {
  expect(read("?source=demo&instruction=make+it+night&width=320&height=240&autostart=1")).toEqual({
    source: "demo",
    instruction: "make it night",
    size: { width: 320, height: 240 },
    autostart: true,
    token: null,
    steer: null,
  });
});

it("ignores what makes no sense", () => {
  expect(read("?source=telescope&width=abc&height=-1")).toEqual({
    source: null,
    instruction: null,
    size: null,
    autostart: false,
    token: null,
    steer: null,
  });
});

it("takes a token from behind the hash or from the query, and hides it", () => {
  expect(read("?token=a").token).toBe("a");
  expect(read("#token=b%20c").token).toBe("b c");
  expect(withoutToken(new URL("http://localhost/?token=a&source=demo")).href).toBe(
    "http://localhost/?source=demo",
  );
  expect(withoutToken(new URL("http://localhost/#token=b")).hash).toBe("");
});

it("steers what comes with a sender's token by an address that can be kept", () => {
  const address = steeringAddress(new URL("http://localhost/#old"), "a b&c");
  expect(readAddress(address).steer).toBe("a b&c");
  expect(steeringAddress(address, null).href).toBe("http://localhost/");
  expect(read("#steer=").steer).toBeNull();
});
