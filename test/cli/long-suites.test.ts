/** Which long suites all tests include. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { includedSuites, lacksTime } from "../../cli/testing/long-suites.ts";

describe("long suites that all tests include", () => {
  test("are files of test/long", () => {
    const files = readdirSync(join(import.meta.dirname, "../long"));
    expect(files).toEqual(expect.arrayContaining(includedSuites.map(({ name }) => `${name}.test.ts`)));
  });

  test("begin while half as long again as they take is left", () => {
    const suite = { name: "vm", minutes: 10 };
    expect(lacksTime(suite, 70, 85)).toBeUndefined();
    expect(lacksTime(suite, 70.1, 85)).toBe("it may take 15 min, 14 of 85 are left");
    expect(lacksTime(suite, 100, 85)).toBe("it may take 15 min, 0 of 85 are left");
  });
});
