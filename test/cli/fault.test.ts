/** `rehearse lightsail fault`, on a rehearsal that is there in files alone. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { rehearse } from "../../cli/verbs/rehearse.ts";
import { InputError } from "../../cli/errors.ts";
import { Faults } from "../../rehearsal/clouds/shared/faults.ts";
import { faultOperations, faultOrder } from "../../rehearsal/faults.ts";
import type { Bed, BedOptions } from "./bed.ts";
import { bed, ci, failure } from "./verb-support.ts";

const lightsail = { name: "lightsail", topology: "lightsail" };

function rehearsed(options?: BedOptions): { readonly made: Bed; readonly folder: string } {
  const made = bed(options);
  const folder = join(made.context.paths.state, "rehearsal", "lightsail");
  mkdirSync(folder, { recursive: true });
  const network = { name: "n", subnet: "172.26.1.0/24", gateway: "172.26.1.1" };
  const world = {
    world: "rehearsal-lightsail",
    region: "eu-central-1",
    network,
    publicRange: "198.18.1.0/24",
  };
  writeFileSync(join(folder, "world.json"), JSON.stringify(world));
  return { made, folder };
}

const run = (made: Bed, words: readonly string[], fault = {}): Promise<void> =>
  rehearse(made.context, lightsail, "fault", { settings: [], timeoutMinutes: 1, words, fault });

test("a fault is ordered, met, shown and forgotten", async () => {
  const { made, folder } = rehearsed();
  const order = { match: "server-2", error: "ThrottlingException", times: 3 };
  await run(made, ["CreateInstances"], order);
  await run(made, ["add", "POST", "keys"], { error: "503" });
  expect(made.printed).toEqual([
    "the next 3 calls of CreateInstances about server-2 will meet ThrottlingException",
    "the next call of POST keys will meet 503",
  ]);
  expect(JSON.parse(readFileSync(join(folder, "faults.json"), "utf8"))).toEqual([
    { operation: "CreateInstances", ...order },
    { operation: "POST keys", error: "503", times: 1 },
  ]);
  const faults = new Faults(folder);
  expect(await faults.take("CreateInstances", "lightsail-server-1")).toBeUndefined();
  expect(await faults.take("CreateInstances", "lightsail-server-2")).toBe("ThrottlingException");
  expect(await faults.take("POST keys", "x and a body", "x")).toBe("503");
  await run(made, []);
  const text = made.printed.at(-1) ?? "";
  expect(text).toMatch(/^CreateInstances +server-2 +ThrottlingException +2$/m);
  expect(text).toMatch(/^20\d\d-\S+Z +CreateInstances +lightsail-server-2 +ThrottlingException$/m);
  expect(text).toMatch(/Z +POST keys +x +503$/m);
  await run(made, ["clear"]);
  expect(made.printed.at(-1)).toBe("no fault is ordered\n\nnone was met\n\nthere are no machines");
});

test("--json tells the same as an object", async () => {
  const { made } = rehearsed({ json: true });
  await run(made, ["GetInstance"], { error: "timeout" });
  expect(JSON.parse(made.printed[0] ?? "")).toEqual({
    stack: "lightsail",
    fault: { operation: "GetInstance", error: "timeout", times: 1 },
  });
  await run(made, ["list"]);
  expect(JSON.parse(made.printed[1] ?? "")).toEqual({
    stack: "lightsail",
    pending: [{ operation: "GetInstance", error: "timeout", times: 1 }],
    met: [],
    machines: [],
  });
});

test.each([
  [["CreateInstance"], { error: "timeout" }, /\[fault\] must be .* did you mean "CreateInstances"\?/],
  [
    ["add", "CreateDisks"],
    { error: "x" },
    /\[operation\] must be .*"CreateDisks"; did you mean "CreateDisk"\?/,
  ],
  [["lst"], {}, /\[fault\] must be list, add, clear, stop, .*got "lst"; did you mean "list"\?/],
  [
    ["CreateInstances"],
    {},
    /`--error` of CreateInstances must be one of timeout, half-created, .*got nothing/,
  ],
  [
    ["CreateInstances"],
    { error: "ThrottlingExeption" },
    /got "ThrottlingExeption"; did you mean "ThrottlingException"\?/,
  ],
  // Only an instance can be made by halves.
  [["CreateDisk"], { error: "half-created" }, /`--error` of CreateDisk must be one of/],
  [["GET", "devices"], { error: "timeout" }, /`--error` of GET devices must be one of 400, .*got "timeout"/],
  [
    ["GetDisk"],
    { error: "timeout", times: 1.5, match: "" },
    /`--times` must be a whole number above 0, got 1.5\n`--match` must be part of a name/,
  ],
  [["stop"], {}, /fault stop takes one node, got none/],
  [["stop", "server-1"], { error: "timeout" }, /`--error` must go with a call of the stand-in clouds/],
  [["kill", "server-1"], {}, /\[node\] must be one of a node with a machine; there is none, got "server-1"/],
  [["clear", "all"], {}, /fault clear takes no more words, got "all"/],
])("fault %j %j is refused, and nothing is ordered", async (words, options, message) => {
  const { made, folder } = rehearsed();
  const error = await failure(run(made, words, options));
  expect(error).toBeInstanceOf(InputError);
  expect(error.message).toMatch(message);
  expect(await new Faults(folder).pending()).toEqual([]);
});

test("without a rehearsal, or for another stack, it says what to do", async () => {
  const made = bed();
  const none = await failure(run(made, ["list"]));
  expect(none.message).toMatch(
    /no rehearsal of lightsail is there .* \.\/homespan rehearse lightsail preview$/,
  );
  const options = { settings: [], timeoutMinutes: 1 };
  const other = await failure(rehearse(made.context, ci, "fault", options));
  expect(other.message).toMatch(/\[stack\] must be lightsail or homelab to be rehearsed, got "ci"/);
});

test("in the rehearsal's own environment it finds the rehearsal, and up is refused", async () => {
  const { made, folder } = rehearsed();
  const environment = { ...made.environment, HOMESPAN_REHEARSAL: folder };
  const context = {
    ...made.context,
    environment,
    paths: { ...made.context.paths, state: join(folder, "state") },
  };
  const options = { settings: [], timeoutMinutes: 1 };
  await rehearse(context, lightsail, "fault", options);
  expect(made.printed[0]).toContain("no fault is ordered");
  const refused = await failure(rehearse(context, lightsail, "up", options));
  expect(refused.message).toMatch(/must be run outside of the rehearsal's environment/);
});

test("every call that can be named can be told to fail", () => {
  expect(faultOperations.length).toBeGreaterThan(35);
  expect(new Set(faultOperations).size).toBe(faultOperations.length);
  for (const operation of faultOperations) {
    const error = operation.includes(" ") ? "500" : "ServiceException";
    expect(faultOrder({ operation, error })).toEqual({ operation, error, times: 1 });
  }
});
