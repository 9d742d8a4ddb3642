import { expect, it } from "vitest";
import { en } from "../src/words/en";
import { ko } from "../src/words/ko";

function holes(words: object): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [key, value] of Object.entries(words)) {
    if (typeof value === "string")
      found[key] = [...value.matchAll(/{{(\w+)}}/g)].map((match) => match[1] ?? "").sort();
    else for (const [inner, list] of Object.entries(holes(value))) found[`${key}.${inner}`] = list;
  }
  return found;
}

it("fills the same holes in both languages", () => {
  expect(holes(ko)).toEqual(holes(en));
});
