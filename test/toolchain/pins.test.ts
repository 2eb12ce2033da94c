import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALL } from "../../toolchain/pin-types.ts";
import type { ToolPin } from "../../toolchain/pin-types.ts";
import { PINS } from "../../toolchain/pins.ts";
import { compareVersions, offers, recipeHash, stableJson } from "../../toolchain/recipe.ts";

const outputs = (pin: ToolPin): string[] =>
  (pin.modules?.sets ?? []).flatMap((set) => set.builds.map((build) => build.output));

describe("the pin table", () => {
  it("names each tool once", () => {
    const names = PINS.map((pin) => pin.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(PINS.map((pin) => [pin.name, pin] as const))(
    "%s can be had on every platform it claims",
    (_name, pin) => {
      const platforms = ALL.filter(
        (platform) => offers(pin, "download", platform) || offers(pin, "modules", platform),
      );
      expect(platforms.length).toBeGreaterThan(0);
      for (const platform of Object.values(pin.download?.platforms ?? {})) {
        expect(new URL(platform.url).protocol).toBe("https:");
        expect(new URL(platform.sums).protocol).toBe("https:");
        expect(platform.url).not.toMatch(/[{}]|undefined/);
      }
      for (const set of pin.modules?.sets ?? []) {
        const modules = set.base.kind === "copy" ? [`${set.base.module}@${set.base.version}`] : [];
        const asked = [...modules, ...(set.base.get ?? [])];
        for (const module of asked) expect(module).toMatch(/^[\w./-]+@v\d+\.\d+\.\d+/);
        expect(set.builds.length).toBeGreaterThan(0);
      }
    },
  );

  it.each(PINS.map((pin) => [pin.name, pin] as const))(
    "%s links only files that each source provides",
    (_name, pin) => {
      const sources = [
        ...(pin.download === undefined ? [] : [Object.values(pin.download.files)]),
        ...(pin.modules === undefined ? [] : [outputs(pin)]),
      ];
      for (const files of sources) {
        for (const target of Object.values(pin.links)) expect(files).toContain(target);
        if (pin.main !== ".") expect(files).toContain(pin.main ?? pin.name);
      }
    },
  );

  it("gives kubectl on every platform", () => {
    for (const platform of ALL) {
      const names = PINS.filter(
        (pin) => offers(pin, "download", platform) || offers(pin, "modules", platform),
      ).flatMap((pin) => Object.keys(pin.links));
      expect(names).toContain("kubectl");
    }
  });

  it("has the same k3s from both sources", () => {
    const k3s = PINS.find((pin) => pin.name === "k3s");
    expect(k3s?.download?.version).toBe(k3s?.modules?.version);
  });

  it("says what only needs k3s's own build", () => {
    for (const pin of PINS.filter((candidate) => candidate.includedIn !== undefined)) {
      expect(PINS.map((candidate) => candidate.name)).toContain(pin.includedIn);
    }
  });
});

describe("recipeHash", () => {
  const pin = PINS[0];
  if (pin?.modules === undefined) throw new Error("the first pin has a module recipe");
  const { modules } = pin;

  it("does not depend on the order of keys", () => {
    const reversed = Object.fromEntries(Object.entries(pin).reverse()) as unknown as ToolPin;
    expect(recipeHash(reversed, "modules", "linux/amd64")).toBe(recipeHash(pin, "modules", "linux/amd64"));
  });

  it("does not change with words and estimates", () => {
    const other = { ...pin, purpose: "else", modules: { ...modules, expectedSeconds: 1, cacheGiB: 99 } };
    expect(recipeHash(other, "modules", "linux/amd64")).toBe(recipeHash(pin, "modules", "linux/amd64"));
  });

  it("changes with flags, version, source and platform", () => {
    const hashes = [
      recipeHash(pin, "modules", "linux/amd64"),
      recipeHash(pin, "modules", "linux/arm64"),
      recipeHash(pin, "download", "linux/amd64"),
      recipeHash({ ...pin, modules: { ...modules, version: "0" } }, "modules", "linux/amd64"),
      recipeHash(
        { ...pin, modules: { ...modules, sets: modules.sets.map((set) => ({ ...set, tags: ["x"] })) } },
        "modules",
        "linux/amd64",
      ),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("rests on a stable text", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (data) => {
        const shuffled = Object.fromEntries(Object.entries(data).reverse());
        expect(stableJson(shuffled)).toBe(stableJson(data));
      }),
    );
  });
});

describe("compareVersions", () => {
  it.each([
    ["3.250.0", "v3.250.0", 0],
    ["3.249.9", "3.250.0", -1],
    ["3.251", "3.250.4", 1],
    ["v1.35.1+k3s1", "v1.35.1", 0],
    ["3.260.0-alpha.1", "3.250.0", 1],
  ])("%s against %s", (a, b, sign) => {
    expect(Math.sign(compareVersions(a, b))).toBe(sign);
  });
});
