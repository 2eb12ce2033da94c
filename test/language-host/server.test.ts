import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb.js";
import { Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import { LanguageRuntimeClient } from "@pulumi/pulumi/proto/language_grpc_pb.js";
import * as language from "@pulumi/pulumi/proto/language_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve, type LanguageHost } from "../../toolchain/language-host/server.ts";

const project = join(import.meta.dirname, "../..");
const executable = join(project, "toolchain/language-host/pulumi-language-nodejs");

/** Turns a call with a callback into a promise. */
function ask<Response>(
  call: (reply: (error: grpc.ServiceError | null, response: Response) => void) => void,
): Promise<Response> {
  return new Promise((done, failed) => {
    call((error, response) => {
      if (error === null) done(response);
      else failed(error);
    });
  });
}

/** A program whose runner is a script of ours: `cmd/run` itself needs an engine to talk to. */
function fakeProgram(folder: string): string {
  const sdk = join(folder, "node_modules/@pulumi/pulumi");
  mkdirSync(join(sdk, "cmd/run"), { recursive: true });
  writeFileSync(
    join(sdk, "cmd/run/index.js"),
    `const { mode } = JSON.parse(process.env.PULUMI_CONFIG);
     require("node:fs").writeFileSync("seen.json", JSON.stringify({ args: process.argv.slice(2), exe: process.execPath, pid: process.pid, preloaded: globalThis.preloaded ?? null }));
     if (mode === "hang") setInterval(() => {}, 1000); else process.exit(Number(mode));`,
  );
  writeFileSync(join(sdk, "package.json"), JSON.stringify({ name: "@pulumi/pulumi", version: "9.9.9" }));
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ dependencies: { "@pulumi/pulumi": "9.9.9" } }),
  );
  return folder;
}

let folder: string;
let host: LanguageHost;
let client: LanguageRuntimeClient;

beforeAll(async () => {
  folder = fakeProgram(mkdtempSync(join(tmpdir(), "homespan-host-")));
  host = await serve(project, "127.0.0.1:1");
  client = new LanguageRuntimeClient(`127.0.0.1:${String(host.port)}`, grpc.credentials.createInsecure());
});

afterAll(() => {
  client.close();
  host.close();
  rmSync(folder, { recursive: true });
});

const info = (directory: string, options: Readonly<Record<string, string>> = {}): language.ProgramInfo =>
  new language.ProgramInfo()
    .setRootDirectory(directory)
    .setProgramDirectory(directory)
    .setEntryPoint(".")
    .setOptions(Struct.fromJavaScript({ typescript: false, ...options }));

function runRequest(mode: string, options: Readonly<Record<string, string>> = {}): language.RunRequest {
  const request = new language.RunRequest()
    .setInfo(info(folder, options))
    .setPwd(folder)
    .setMonitorAddress("127.0.0.1:2")
    .setProject("homespan")
    .setStack("ci")
    .setDryrun(true);
  request.getConfigMap().set("mode", mode);
  return request;
}

interface Seen {
  readonly args: readonly string[];
  readonly exe: string;
  readonly pid: number;
  /** Process id in which the module to load before a run was loaded. */
  readonly preloaded: number | null;
}

async function seen(): Promise<Seen> {
  const { readFile } = await import("node:fs/promises");
  for (;;) {
    const text = await readFile(join(folder, "seen.json"), "utf8").catch(() => "");
    if (text !== "") return JSON.parse(text) as Seen;
    await new Promise((done) => setTimeout(done, 20));
  }
}

describe("the service", () => {
  it("shakes hands and gives the SDK's version as its own", async () => {
    await ask((reply) =>
      client.handshake(new language.LanguageHandshakeRequest().setEngineAddress("127.0.0.1:3"), reply),
    );
    const answer = await ask<{ getVersion(): string }>((reply) => client.getPluginInfo(new Empty(), reply));
    expect(answer.getVersion()).toBe("3.250.0");
  });

  it("names no plugin: the engine finds each when its first resource comes", async () => {
    const packages = new language.GetRequiredPackagesRequest().setInfo(info(project));
    const answer = await ask<language.GetRequiredPackagesResponse>((reply) =>
      client.getRequiredPackages(packages, reply),
    );
    expect(answer.getPackagesList()).toEqual([]);
    const plugins = new language.GetRequiredPluginsRequest().setInfo(info(project));
    const older = await ask<language.GetRequiredPluginsResponse>((reply) =>
      client.getRequiredPlugins(plugins, reply),
    );
    expect(older.getPluginsList()).toEqual([]);
  });

  it("says which node runs the programs", async () => {
    const answer = await ask<language.AboutResponse>((reply) =>
      client.about(new language.AboutRequest(), reply),
    );
    expect([answer.getExecutable(), answer.getVersion()]).toEqual([process.execPath, process.version]);
  });

  it("answers UNIMPLEMENTED to what it does not do", async () => {
    const call = ask((reply) => client.pack(new language.PackRequest(), reply));
    await expect(call).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
  });

  it.each([
    ["0", "", false],
    ["32", "", true],
    ["7", "Program exited with non-zero exit code: 7", false],
  ])("reports a program that exits with %s", async (mode, error, bail) => {
    const answer = await ask<language.RunResponse>((reply) => client.run(runRequest(mode), reply));
    expect([answer.getError(), answer.getBail()]).toEqual([error, bail]);
  });

  it("runs programs with its own node and the engine of the handshake", async () => {
    rmSync(join(folder, "seen.json"), { force: true });
    await ask((reply) => client.run(runRequest("0"), reply));
    const { args, exe } = await seen();
    expect(exe).toBe(process.execPath);
    expect(args.join(" ")).toContain(
      "--monitor 127.0.0.1:2 --engine 127.0.0.1:3 --project homespan --stack ci",
    );
    expect(args.at(-1)).toBe(".");
  });

  /** What the engine asks for before it reads resources. */
  async function announce(options: Readonly<Record<string, string>>): Promise<void> {
    rmSync(join(folder, "seen.json"), { force: true });
    const request = new language.GetRequiredPackagesRequest().setInfo(info(folder, options));
    await ask((reply) => client.getRequiredPackages(request, reply));
  }

  it("runs the program in the process that waits for it, with the run's arguments and configuration", async () => {
    writeFileSync(join(folder, "preload.mjs"), "globalThis.preloaded = process.pid;\n");
    await announce({ preload: "preload.mjs" });
    const request = runRequest("7", { preload: "preload.mjs" });
    const answer = await ask<language.RunResponse>((reply) => client.run(request, reply));
    expect(answer.getError()).toBe("Program exited with non-zero exit code: 7");
    const { args, pid, preloaded } = await seen();
    expect(args.join(" ")).toContain("--monitor 127.0.0.1:2");
    expect(preloaded).toBe(pid);
  });

  it("starts a process of its own for another program than the one that waits, and for the run after it", async () => {
    writeFileSync(join(folder, "preload.mjs"), "globalThis.preloaded = process.pid;\n");
    await announce({ preload: "preload.mjs" });
    for (const request of [runRequest("0"), runRequest("0", { preload: "preload.mjs" })]) {
      rmSync(join(folder, "seen.json"), { force: true });
      const answer = await ask<language.RunResponse>((reply) => client.run(request, reply));
      expect(answer.getError()).toBe("");
      expect((await seen()).preloaded).toBeNull();
    }
  });

  it("leaves what is wrong with the module to the run", async () => {
    writeFileSync(join(folder, "broken.mjs"), "throw new Error('broken');\n");
    await announce({ preload: "broken.mjs" });
    const request = runRequest("0", { preload: "broken.mjs" });
    const answer = await ask<language.RunResponse>((reply) => client.run(request, reply));
    expect(answer.getError()).toBe("");
    expect((await seen()).preloaded).toBeNull();
  });

  it("ends the process that waits when the engine cancels", async () => {
    writeFileSync(
      join(folder, "told.mjs"),
      `(await import("node:fs")).writeFileSync("seen.json", JSON.stringify({ pid: process.pid }));\n`,
    );
    await announce({ preload: "told.mjs" });
    const { pid } = await seen();
    await ask((reply) => client.cancel(new Empty(), reply));
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it("names the package that is missing when a program has no SDK", async () => {
    const request = runRequest("0").setInfo(info("/nonexistent"));
    const call = ask((reply) => client.run(request, reply));
    await expect(call).rejects.toThrow(/Cannot find module '@pulumi\/pulumi\/cmd\/run'/u);
  });

  it.each(["the engine cancels", "the call is given up"])("ends the program when %s", async (how) => {
    rmSync(join(folder, "seen.json"), { force: true });
    let call: grpc.ClientUnaryCall | undefined;
    const answer = ask<language.RunResponse>((reply) => (call = client.run(runRequest("hang"), reply)));
    const { pid } = await seen();
    if (how === "the engine cancels") {
      await ask((reply) => client.cancel(new Empty(), reply));
      expect((await answer).getError()).toBe("Program was ended by SIGTERM");
    } else {
      call?.cancel();
      await expect(answer).rejects.toMatchObject({ code: grpc.status.CANCELLED });
    }
    await expect.poll(() => isAlive(pid)).toBe(false);
  });
});

describe("the executable", () => {
  const path = `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`;

  it("prints its port first, serves, and leaves on SIGTERM", async () => {
    const child = spawn(executable, ["127.0.0.1:1"], { cwd: project, env: { ...process.env, PATH: path } });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    expect(line).toMatch(/^\d+$/u);
    const own = new LanguageRuntimeClient(`127.0.0.1:${line}`, grpc.credentials.createInsecure());
    await ask((reply) => own.getPluginInfo(new Empty(), reply));
    own.close();
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  it("works through a link from beside the CLI, and leaves when its engine was killed", async () => {
    const link = join(folder, "pulumi-language-nodejs");
    symlinkSync(executable, link);
    const engine = join(folder, "engine");
    writeFileSync(engine, `#!/bin/sh\n${link} 127.0.0.1:1 &\necho "$!"\nwait\n`);
    chmodSync(engine, 0o755);
    const child = spawn(engine, { cwd: project, env: { ...process.env, PATH: path } });
    const lines: string[] = [];
    createInterface(child.stdout).on("line", (line) => lines.push(line));
    await expect.poll(() => lines.length, { timeout: 5000 }).toBe(2);
    const pid = Number(lines[0]);
    expect(isAlive(pid)).toBe(true);
    child.kill("SIGKILL");
    await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
