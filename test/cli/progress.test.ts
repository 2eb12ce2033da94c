import { expect, test } from "vitest";
import { logLine, parseEvent, plainText, shortName } from "../../cli/events.ts";
import { Progress } from "../../cli/progress.ts";
import { describeStage, summarizeStages } from "../../cli/stages.ts";
import { diagnostic, step, urn } from "./bed.ts";

function run(...bodies: readonly (object | number)[]): { lines: string[]; progress: Progress } {
  const lines: string[] = [];
  let now = 0;
  const progress = new Progress(
    (line) => lines.push(line),
    false,
    () => now,
  );
  for (const body of bodies) {
    if (typeof body === "number") now += body;
    else progress.handle(body);
  }
  return { lines, progress };
}

const network = "homespan:index:SiteNetwork";

test("a line when a resource is done, with its time and the run's", () => {
  const { lines, progress } = run(
    500,
    { resourcePreEvent: step("create", network, "cloud") },
    1500,
    { resOutputsEvent: step("create", network, "cloud") },
    { resourcePreEvent: step("same", network, "home") },
    { resOutputsEvent: step("same", network, "home") },
    { resourcePreEvent: step("refresh", network, "home") },
  );
  expect(lines).toEqual(["   2.0 s  created  SiteNetwork cloud (1.5 s)"]);
  expect(progress.changes).toEqual({ created: 1 });
});

test("an update says what differed", () => {
  const updated = (differences: object) => ({
    resOutputsEvent: step("update", network, "cloud", differences),
  });
  const { lines } = run(
    updated({
      detailedDiff: { "labels.site": { diffKind: "UPDATE" }, ready: {} },
      diffs: ["labels", "ready"],
    }),
    updated({ detailedDiff: null, diffs: ["d", "c", "b", "a"] }),
    updated({}),
  );
  expect(lines).toEqual([
    "   0.0 s  updated  SiteNetwork cloud (0 ms): labels.site, ready",
    "   0.0 s  updated  SiteNetwork cloud (0 ms): a, b, c and 1 more",
    "   0.0 s  updated  SiteNetwork cloud (0 ms)",
  ]);
});

test("the heartbeat names what is being worked on", () => {
  const { lines, progress } = run({ resourcePreEvent: step("delete", network, "cloud") }, 15_000);
  progress.heartbeat();
  expect(lines).toEqual(["  15.0 s  still deleting SiteNetwork cloud (15.0 s)"]);
});

test("warnings are shown, but neither debug lines nor what every run says about PATH", () => {
  const { lines } = run(
    diagnostic("careful\n", "warning", urn(network, "cloud")),
    diagnostic("using pulumi-resource-kubernetes from $PATH at /x", "warning"),
    diagnostic("Registering resource", "debug"),
  );
  expect(lines).toEqual(["   0.0 s  warning: SiteNetwork cloud: careful"]);
});

test("a failed resource without a message of its own still counts", () => {
  const { lines, progress } = run({ resOpFailedEvent: step("update", network, "cloud") });
  expect(lines).toEqual(["   0.0 s  FAILED   SiteNetwork cloud (0 ms)"]);
  expect(progress.resourceErrors).toEqual([
    { resource: "SiteNetwork cloud", message: "could not update it" },
  ]);
  expect(progress.touchedNothing).toBe(false);
});

test("debug messages of the SDK, which hold secrets, do not reach the log file", () => {
  const line = (severity: string): string | undefined =>
    logLine({ diagnosticEvent: { severity, message: "resp: token,,,s3cret" } });
  expect(line("debug")).toBeUndefined();
  expect(JSON.parse(line("error") ?? "{}")).toMatchObject({ diagnosticEvent: { severity: "error" } });
});

test("lines that are no events, and names", () => {
  expect(parseEvent("warning: x")).toBeUndefined();
  expect(parseEvent('{"a":1}')).toBeUndefined();
  expect(parseEvent('{"sequence":')).toBeUndefined();
  expect(parseEvent('{"sequence":1}')).toEqual({ sequence: 1 });
  expect(plainText("<{%fg 1%}>a<{%reset%}>\n")).toBe("a");
  expect(shortName(urn("homespan:k3s:K3sCluster$homespan:index:Membership", "agent-1"))).toBe(
    "Membership agent-1",
  );
});

test("stages in words", () => {
  const node = (stages: object[], problem?: object): Parameters<typeof summarizeStages>[0] =>
    ({
      node: "agent-1",
      logs: { k3s: "podman logs homespan-ci-agent-1-k3s" },
      start: "podman exec homespan-ci-agent-1-steward /usr/lib/homespan/k3s-start",
      stages,
      ...(problem ? { problem } : {}),
    }) as never;
  const at = Date.parse("2026-01-01T00:01:30Z");
  const done = { name: "tailnet", state: "done", attempts: 1 };
  const running = { name: "k3s", state: "running", startedAt: "2026-01-01T00:00:00Z", attempts: 1 };
  expect(describeStage(summarizeStages(node([done, running]), at))).toBe(
    "agent-1: stage k3s running for 1 min 30 s\n  fix: see podman logs homespan-ci-agent-1-k3s",
  );
  const said = "stopped on purpose; k3s-start starts it";
  const stopped = { name: "k3s", state: "waiting", attempts: 1, error: said };
  expect(describeStage(summarizeStages(node([done, stopped]), at))).toBe(
    `agent-1: stage k3s waiting: ${said}\n  fix: start it: podman exec homespan-ci-agent-1-steward /usr/lib/homespan/k3s-start`,
  );
  expect(describeStage(summarizeStages(node([done]), at))).toBe("agent-1: ready");
  expect(describeStage(summarizeStages(node([], { error: "container x does not exist" }), at))).toMatch(
    /^agent-1: stage boot failed: container x does not exist\n {2}fix: run up again/,
  );
});
