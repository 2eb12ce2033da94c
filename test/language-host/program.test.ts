import { describe, expect, it } from "vitest";
import {
  parseOptions,
  programArguments,
  programEnvironment,
  runResult,
  type RunRequest,
} from "../../toolchain/language-host/program.ts";

const request: RunRequest = {
  engineAddress: "127.0.0.1:1",
  monitorAddress: "127.0.0.1:2",
  project: "homespan",
  stack: "ci",
  organization: "organization",
  pwd: "/project/stacks",
  rootDirectory: "/project",
  programDirectory: "/project/stacks",
  entryPoint: "index.ts",
  args: [],
  dryRun: true,
  parallel: 16,
  config: { "homespan:agents": "2" },
  configSecretKeys: ["homespan:token"],
  options: { typescript: false, nodeargs: ["--trace-warnings"] },
};

describe("one run", () => {
  it("is told everything by arguments, node's own first and the program last", () => {
    expect(programArguments(request, "/sdk/cmd/run").join(" ")).toBe(
      "--trace-warnings /sdk/cmd/run --monitor 127.0.0.1:2 --engine 127.0.0.1:1 --project homespan --stack ci " +
        "--organization organization --root-directory /project --pwd /project/stacks --dry-run --parallel 16 index.ts",
    );
  });

  it("says nothing about a dry run or about parallelism when there is nothing to say", () => {
    const args = programArguments({ ...request, dryRun: false, parallel: 0 }, "run");
    expect(args).not.toContain("--dry-run");
    expect(args).not.toContain("--parallel");
  });

  it("gets its configuration by environment, never by arguments", () => {
    expect(programEnvironment(request)).toEqual({
      PULUMI_CONFIG: '{"homespan:agents":"2"}',
      PULUMI_CONFIG_SECRET_KEYS: '["homespan:token"]',
    });
    expect(programArguments(request, "run").join(" ")).not.toContain("agents");
  });

  it("is loaded through ts-node unless Pulumi.yaml says otherwise", () => {
    const options = parseOptions({ tsconfig: "build/tsconfig.json" });
    expect(programEnvironment({ ...request, options })).toMatchObject({
      PULUMI_NODEJS_TYPESCRIPT: "true",
      PULUMI_NODEJS_TSCONFIG_PATH: "/project/build/tsconfig.json",
    });
  });

  it.each([
    [{}, { typescript: true, nodeargs: [] }],
    [{ typescript: false }, { typescript: false, nodeargs: [] }],
    [
      { typescript: false, nodeargs: " --a  --b=1 ", packagemanager: "npm" },
      { typescript: false, nodeargs: ["--a", "--b=1"] },
    ],
    [{ preload: "stacks/preload.ts" }, { typescript: true, nodeargs: [], preload: "stacks/preload.ts" }],
    [{ preload: true }, { typescript: true, nodeargs: [] }],
  ])("reads the options %j", (given, parsed) => {
    expect(parseOptions(given)).toEqual(parsed);
  });

  it.each([
    [0, null, { error: "", bail: false }],
    [32, null, { error: "", bail: true }],
    [7, null, { error: "Program exited with non-zero exit code: 7", bail: false }],
    [null, "SIGTERM" as const, { error: "Program was ended by SIGTERM", bail: false }],
  ])("that ends with %s %s is reported", (code, signal, result) => {
    expect(runResult(code, signal)).toEqual(result);
  });
});
