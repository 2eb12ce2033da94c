import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pluginsToFind, requiredPlugins } from "../../toolchain/language-host/packages.ts";
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

describe("the plugins of a program", () => {
  let folder: string;
  const manifest = (path: string, content: unknown): void => {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, "package.json"), JSON.stringify(content));
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "homespan-packages-"));
    manifest(".", {
      dependencies: { "@pulumi/pulumi": "3", "@pulumi/kubernetes": "4", zod: "4", ours: "1", absent: "1" },
      devDependencies: { "@pulumi/command": "1" },
    });
    manifest("stacks", {});
    rmSync(join(folder, "stacks", "package.json"));
    manifest("node_modules/@pulumi/pulumi", { version: "3.0.0", dependencies: { deep: "1" } });
    manifest("node_modules/@pulumi/kubernetes", {
      version: "4.34.2",
      dependencies: { "@pulumi/pulumi": "^3" },
      pulumi: { resource: true, name: "kubernetes", version: "v4.34.2" },
    });
    manifest("node_modules/@pulumi/command", { version: "1.2.1", pulumi: { resource: true } });
    manifest("node_modules/zod", { version: "4.0.0", dependencies: { hidden: "1" } });
    manifest("node_modules/hidden", { version: "1.0.0", pulumi: { resource: true } });
    manifest("node_modules/ours", {
      version: "1.0.0",
      peerDependencies: { "@pulumi/pulumi": "3" },
      dependencies: { inner: "1" },
    });
    manifest("node_modules/ours/node_modules/inner", {
      version: "2.0.0",
      pulumi: {
        resource: true,
        name: "terraform-provider",
        version: "0.10.0",
        server: "https://example.org",
        parameterization: { name: "inner", version: "2.0.0", value: "aGVsbG8=" },
      },
    });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("are those its packages name, also below packages that are built on the SDK", () => {
    expect(requiredPlugins(folder)).toEqual([
      { name: "command", version: "1.2.1" },
      { name: "kubernetes", version: "4.34.2" },
      {
        name: "terraform-provider",
        version: "0.10.0",
        server: "https://example.org",
        parameterization: { name: "inner", version: "2.0.0", value: Buffer.from("hello") },
      },
    ]);
  });

  it("are found when the program lies below the package", () => {
    expect(requiredPlugins(join(folder, "stacks"))).toEqual(requiredPlugins(folder));
  });

  it("are found by the engine itself, but for those that serve a package under another name", () => {
    expect(pluginsToFind(folder, "/nonexistent").map(({ name }) => name)).toEqual(["terraform-provider"]);
  });

  it("need not be looked for when they are on PATH", () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const program = join(bin, "pulumi-resource-terraform-provider");
    writeFileSync(program, "", { mode: 0o644 });
    expect(pluginsToFind(folder, `/nonexistent::${bin}`)).toHaveLength(1);
    chmodSync(program, 0o755);
    expect(pluginsToFind(folder, `/nonexistent::${bin}`)).toEqual([]);
  });

  it("are none in a folder without a package", () => {
    expect(requiredPlugins("/nonexistent")).toEqual([]);
  });
});
