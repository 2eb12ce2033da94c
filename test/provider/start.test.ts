/** The executable that the engine starts: its port, and the second start by the same engine. */
import grpc from "@grpc/grpc-js";
import stubs from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";

const program = join(import.meta.dirname, "../../provider/pulumi-resource-homespan");
/** The processes of one test, and their folder for temporary files. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "provider-start-"));
  readonly #running: ChildProcess[] = [];

  async start(engine: string, environment: Record<string, string> = { TMPDIR: this.folder }) {
    const { TMPDIR: _none, ...own } = process.env;
    const child = spawn(program, [engine], {
      env: { ...own, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#running.push(child);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    return { child, port: line.toString().trim() };
  }

  /** A shell stands for the engine: it starts the plugin, tells its process id on standard error, and waits. */
  engine(address: string) {
    const engine = spawn("sh", ["-c", `"$0" ${address} & echo $! >&2; wait`, program], {
      env: { ...process.env, TMPDIR: this.folder },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running.push(engine);
    return engine;
  }

  [Symbol.dispose](): void {
    for (const child of this.#running) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

type Ask = (request: object, callback: (error: grpc.ServiceError | null) => void) => void;

/** What one start of a plugin is to the engine: a connection of its own. */
class Caller {
  readonly #client: grpc.Client;

  constructor(port: string) {
    const Client = grpc.makeGenericClientConstructor(stubs.ResourceProviderService, "ResourceProvider");
    const alone = { "grpc.use_local_subchannel_pool": 1 };
    this.#client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), alone);
  }

  ask(method: "getPluginInfo" | "cancel"): Promise<void> {
    return new Promise((resolve, reject) => {
      const ask = (this.#client as unknown as Record<string, Ask>)[method];
      ask?.call(this.#client, new empty.Empty(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

// At the same time, as most of it is waiting.
describe.concurrent("the executable", () => {
  it("serves an engine's second start by the first, and another engine by a server of its own", async ({
    expect,
  }) => {
    using place = new Place();
    const first = await place.start("127.0.0.1:1001");
    expect(first.port).toMatch(/^\d+$/);
    const second = await place.start("127.0.0.1:1001");
    expect(second.port).toBe(first.port);
    const other = await place.start("127.0.0.1:1002");
    expect(other.port).not.toBe(first.port);
    // Nothing waits for a server that has ended.
    first.child.kill("SIGKILL");
    const [code] = (await once(second.child, "exit")) as [number | null];
    expect(code).toBe(0);
    const third = await place.start("127.0.0.1:1001");
    expect(third.port).not.toBe(first.port);
  });

  it("ends with an engine that was killed before the plugin ran", async ({ expect }) => {
    using place = new Place();
    const engine = place.engine("127.0.0.1:1005");
    const [pid] = (await once(engine.stderr, "data")) as [Buffer];
    const proc = `/proc/${pid.toString().trim()}`;
    // Node is there, and has not come to its own first line.
    while (!readFileSync(`${proc}/cmdline`, "utf8").includes("main.ts")) await delay(1);
    engine.kill("SIGKILL");
    // It has to load first, beside all else that a machine of two cores does in this run.
    for (let waited = 0; existsSync(`${proc}/cmdline`) && waited < 300; waited += 1) await delay(100);
    const stayed = existsSync(`${proc}/cmdline`);
    if (stayed) process.kill(Number(pid.toString()), "SIGKILL");
    expect(stayed).toBe(false);
  }, 40_000);

  it("ends with the engine that started it, also one that was killed", async ({ expect }) => {
    using place = new Place();
    const engine = place.engine("127.0.0.1:1004");
    const [pid] = (await once(engine.stderr, "data")) as [Buffer];
    await once(engine.stdout, "data");
    engine.kill("SIGKILL");
    const runs = (): boolean => existsSync(`/proc/${pid.toString().trim()}/cmdline`);
    for (let waited = 0; runs() && waited < 60; waited += 1) await delay(100);
    expect(runs()).toBe(false);
  });

  it("answers the last Cancel of several starts, and then ends at the engine's interrupt", async ({
    expect,
  }) => {
    using place = new Place();
    const { child, port } = await place.start("127.0.0.1:1006");
    using first = new Caller(port);
    using second = new Caller(port);
    await Promise.all([first.ask("getPluginInfo"), second.ask("getPluginInfo")]);
    await first.ask("cancel");
    const ended = once(child, "exit") as Promise<[number | null, string | null]>;
    child.kill("SIGINT");
    await delay(100);
    await second.ask("cancel");
    expect(await ended).toEqual([0, null]);
  });

  it("ends at the engine's interrupt when one start never says Cancel", async ({ expect }) => {
    using place = new Place();
    const { child, port } = await place.start("127.0.0.1:1007");
    using caller = new Caller(port);
    await caller.ask("getPluginInfo");
    const ended = once(child, "exit") as Promise<[number | null, string | null]>;
    child.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
  });

  it("shares nothing where the folder for temporary files is everyone's", async ({ expect }) => {
    using place = new Place();
    const first = await place.start("127.0.0.1:1003", {});
    writeFileSync(join(place.folder, "homespan-provider-127.0.0.1:1003"), `1 ${String(first.child.pid)}\n`);
    expect((await place.start("127.0.0.1:1003", {})).port).not.toBe(first.port);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("homespan-provider-127"))).toEqual([]);
  });
});
