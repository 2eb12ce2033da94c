/** Servers may leave while one of them stays; a run that leaves none is refused before anything is done. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noServerStays } from "../../cli/shrinking.ts";
import { prepareStack } from "../../cli/state.ts";
import { up } from "../../cli/verbs/up.ts";
import { urn } from "./bed.ts";
import { bed, failure } from "./verb-support.ts";

const step = (op: string, nodeName: string, role = "server") => ({
  op,
  urn: urn("homespan:k3s:K3sServer$homespan:index:Membership", `${nodeName}-membership`),
  ...(op === "create" ? {} : { oldState: { inputs: { nodeName, role } } }),
});
const preview = (...steps: readonly object[]): string => JSON.stringify({ steps });

test("one that stays, or is only updated, is enough", () => {
  expect(
    noServerStays(preview(step("same", "server-1"), step("delete", "server-2"), step("delete", "server-3"))),
  ).toBeUndefined();
  expect(noServerStays(preview(step("update", "server-1"), step("delete", "server-2")))).toBeUndefined();
  // Nobody leaves: they are replaced one after the other.
  expect(noServerStays(preview(step("replace", "server-1"), step("replace", "server-2")))).toBeUndefined();
  expect(
    noServerStays(preview(step("same", "server-1"), step("delete", "agent-1", "agent"))),
  ).toBeUndefined();
});

test("the only one that stays must not be replaced", () => {
  const steps = [
    ...["delete-replaced", "replace", "create-replacement"].map((op) => step(op, "server-1")),
    ...[step("delete", "server-2"), step("delete", "server-3")],
  ];
  expect(noServerStays(preview(...steps))).toMatch(
    /^`servers` must keep one server as it is while others leave, got server-2 and server-3 to leave and server-1 to be replaced in one run: up with /,
  );
});

test("servers of other names are another cluster", () => {
  expect(noServerStays(preview(step("delete", "server-1"), step("create", "server-4")))).toMatch(
    /^`servers` must keep one of the servers there are, got none: server-1 would leave/,
  );
});

test("up looks for it only where machines leave, and then before it begins", async () => {
  const made = bed();
  const lightsail = { name: "lightsail", topology: "lightsail" };
  await prepareStack(made.context, lightsail, []);
  const machines = ["server-1", "server-2", "server-3"].map((name) => ({
    urn: urn("homespan:lightsail:LightsailServer", name),
    type: "homespan:lightsail:LightsailServer",
  }));
  const checkpoint = join(made.context.paths.backend, ".pulumi/stacks/homespan/lightsail.json");
  const state = { checkpoint: { latest: { resources: machines } } };
  writeFileSync(checkpoint, JSON.stringify(state));
  made.environment["FAKE_CHECKPOINT"] = made.file("checkpoint.json", state);
  made.environment["FAKE_PREVIEW"] = made.file("preview.json", preview(step("delete", "server-1")));
  const before = readFileSync(join(made.context.paths.config, "Pulumi.lightsail.yaml"), "utf8");
  const settings = ['servers=[{"bundleId":"large_3_0"}]'];
  const error = await failure(up(made.context, lightsail, { settings, timeoutMinutes: 1 }));
  expect([error.exitCode, error.message]).toEqual([2, expect.stringContaining("nothing was created")]);
  expect(made.calls().some((call) => call.includes("|up "))).toBe(false);
  // The refused run is none: the next one starts from what was.
  expect(readFileSync(join(made.context.paths.config, "Pulumi.lightsail.yaml"), "utf8")).toBe(before);
  const previews = (): number => made.calls().filter((call) => call.includes("|preview ")).length;
  expect(previews()).toBe(1);
  await failure(up(made.context, lightsail, { settings: [], timeoutMinutes: 1 }));
  expect(previews()).toBe(1);
});
