import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { kubeBench } from "../../toolchain/pins-kube-bench.ts";
import { cisProfile } from "../../components/upstream/hardening.ts";
import { cisExceptions } from "./cis-exceptions.ts";

const page = readFileSync(new URL("../../docs/hardening.md", import.meta.url), "utf8");

test("the page for users shows the reviewed exceptions, all of them and no other", () => {
  const rows = [...page.matchAll(/^\| (\d+(?:\.\d+)+) +\| (\w+) +\| (.+?) +\|$/gm)];
  const shown = rows.map(([, id = "", on = "", reason = ""]) => ({ id, on, reason }));
  expect(shown).toEqual(cisExceptions);
});

test("each exception has a reason of its own that is a sentence, and none is there twice", () => {
  for (const { reason } of cisExceptions) expect(reason).toMatch(/^[A-Z].{30,}\.$/);
  const ids = cisExceptions.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("profile and version are those the page names, and the toolchain brings that profile", () => {
  expect(page).toContain(`Profile ${cisProfile} of kube-bench ${kubeBench.modules?.version ?? ""},`);
  const assets = Object.values(kubeBench.modules?.sets[0]?.assets ?? {});
  expect(assets).toContain(`cfg/${cisProfile}/master.yaml`);
  expect(Object.values(kubeBench.download?.files ?? {}).sort()).toEqual(["kube-bench", ...assets].sort());
});
