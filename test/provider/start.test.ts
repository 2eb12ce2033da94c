/** The executable that the engine starts: its port, and its end. */
import grpc from "@grpc/grpc-js";
import stubs from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";

const program = join(import.meta.dirname, "../../provider/pulumi-resource-homespan");
const engineAddress = "127.0.0.1:1001";

/** The processes of one test. */
class Place {
  readonly #running: ChildProcess[] = [];

  async start() {
    const child = spawn(program, [engineAddress], { stdio: ["ignore", "pipe", "inherit"] });
    this.#running.push(child);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    return { child, port: line.toString().trim() };
  }

  /** A shell stands for the engine: it starts the plugin, tells its process id on standard error, and waits. */
  engine() {
    const engine = spawn("sh", ["-c", `"$0" ${engineAddress} & echo $! >&2; wait`, program], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running.push(engine);
    return engine;
  }

  [Symbol.dispose](): void {
    for (const child of this.#running) child.kill("SIGKILL");
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
  it("is a server of its own at each start, also for the same engine", async ({ expect }) => {
    using place = new Place();
    const first = await place.start();
    expect(first.port).toMatch(/^\d+$/);
    const second = await place.start();
    expect(second.port).not.toBe(first.port);
    // The engine ends its starts one after the other, and takes an unanswered Cancel for a crash.
    using caller = new Caller(second.port);
    const ended = once(first.child, "exit");
    first.child.kill("SIGINT");
    await ended;
    await caller.ask("getPluginInfo");
    await caller.ask("cancel");
  });

  it("ends with an engine that was killed before the plugin ran", async ({ expect }) => {
    using place = new Place();
    const engine = place.engine();
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
    const engine = place.engine();
    const [pid] = (await once(engine.stderr, "data")) as [Buffer];
    await once(engine.stdout, "data");
    engine.kill("SIGKILL");
    const runs = (): boolean => existsSync(`/proc/${pid.toString().trim()}/cmdline`);
    for (let waited = 0; runs() && waited < 60; waited += 1) await delay(100);
    expect(runs()).toBe(false);
  });
});
