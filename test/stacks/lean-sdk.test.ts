import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** What a process has loaded and done after the preload, and how the SDK behaves in it. */
const script = `
  const { createRequire } = await import("node:module");
  const [, project, module] = process.argv;
  await import(project + "/stacks/" + module);
  const require = createRequire(createRequire(project + "/package.json").resolve("@pulumi/pulumi/package.json"));
  const files = Object.keys(require.cache);
  const log = require("@pulumi/pulumi/log/index.js");
  const { debuggablePromise } = require("@pulumi/pulumi/runtime/debuggable.js");
  const hooks = require("@pulumi/pulumi/runtime/closure/v8Hooks.js");
  require("source-map-support/register");
  const store = globalThis.globalStore !== undefined;
  const traced = () => Object.keys(require.cache).some((file) => file.includes("/sdk-trace-node/"));
  const tracing = require("@pulumi/pulumi/cmd/run/tracing.js");
  tracing.newSpan("test").setAttribute("some", true).end();
  const tracesUnasked = traced();
  tracing.start("http://127.0.0.1:9/");
  const recording = tracing.newSpan("test").isRecording();
  const limit = Error.stackTraceLimit;
  const promise = Promise.resolve(7);
  const kept = await debuggablePromise(promise, "test");
  console.log(JSON.stringify({
    typescript: files.some((file) => file.includes("/node_modules/typescript/")),
    automation: files.some((file) => file.includes("/automation/") && !file.endsWith("/automation/index.js")),
    store,
    debug: String(log.debug).includes("getEngine"),
    hooks: (await hooks.isInitializedAsync()) ?? "none",
    frames: promise._debugStackTrace.split("\\n").length - 1,
    kept,
    limit: Error.stackTraceLimit === limit,
    tracesUnasked,
    traces: traced() && recording,
    mapped: Object.keys(require.cache).some((file) => file.endsWith("/source-map-support.js")),
  }));
`;

async function after(
  module: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> {
  const project = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
  const args = ["--input-type=module", "--eval", script, project, module];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("a program's process that waits has loaded the SDK without what no stack uses, and no configuration", async () => {
  expect(await after("preload.ts")).toEqual({
    typescript: false,
    automation: false,
    store: false,
    debug: false,
    hooks: "none",
    frames: 0,
    kept: 7,
    limit: true,
    tracesUnasked: false,
    traces: true,
    mapped: false,
  });
});

test("HOMESPAN_WHOLE_SDK=1 leaves the SDK as it is", async () => {
  expect(await after("lean-sdk.ts", { HOMESPAN_WHOLE_SDK: "1" })).toMatchObject({
    debug: true,
    kept: 7,
    tracesUnasked: true,
    traces: true,
    mapped: true,
  });
});

/** Which of the clouds and hypervisors these modules load, together. */
async function loadedBy(modules: readonly string[]): Promise<string[]> {
  const listing = `
    const { createRequire } = await import("node:module");
    const [, project, ...modules] = process.argv;
    for (const module of modules) await import(project + "/stacks/" + module);
    console.log(JSON.stringify(Object.keys(createRequire(project + "/package.json").cache)));
  `;
  const project = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
  const args = ["--input-type=module", "--eval", listing, project, ...modules];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 });
  const files = JSON.parse(stdout) as string[];
  const parts = { aws: "/@pulumi/aws/", libvirt: "/sdks/libvirt/" };
  return Object.entries(parts).flatMap(([name, part]) =>
    files.some((file) => file.includes(part)) ? [name] : [],
  );
}

test.each([
  ["homelab.ts homelab-joining.ts home-lima.ts home-existing.ts", []],
  ["home-vms.ts", ["libvirt"]],
  ["lightsail.ts", ["aws"]],
])("%s: of the clouds and hypervisors %j is loaded", async (modules, expected) => {
  expect(await loadedBy(modules.split(" "))).toEqual(expected);
});
