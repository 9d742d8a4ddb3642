import { describe, expect, it } from "vitest";
import { safeNext } from "../src/pages/next";

describe("the way on after a login", () => {
  it.each(["/servers", "/nodes/a%20b", "/servers?search=pay+api&label=env%3Dprod", "/a?next=//evil"])(
    "stays inside: %s",
    (asked) => {
      expect(safeNext(asked)).toBe(asked);
    },
  );
  it.each([
    null,
    "",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/login",
    "/login?next=/login",
    "/invite/00",
    "/servers#x",
    "/a\nb",
    "\\\\evil.example",
  ])("never leads outside: %j", (asked) => {
    expect(safeNext(asked)).toBe("/servers");
  });
});
