/** Faults, kills and second processes: what the stand-in for aws comes out with. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PluginClient, PluginError } from "../shared/plugin-client.ts";
import { AwsHarness, diskInputs, instanceInputs, portInputs, publicKey, region, types } from "./harness.ts";

let h: AwsHarness;
beforeEach(async () => {
  h = await AwsHarness.start();
});
afterEach(async () => {
  await h.end();
});

const create = (inputs: typeof instanceInputs = instanceInputs) => h.make("instance", inputs);

describe("faults", () => {
  it("of throttling are waited for inside, longer each time", async () => {
    await h.fault({
      operation: "CreateInstances",
      match: "server-1",
      error: "ThrottlingException",
      times: 3,
    });
    await create();
    expect(h.pauses).toEqual([200, 400, 800]);
    expect(await h.account.faults.pending()).toEqual([]);
  });

  it("of throttling without end are an error after 25 attempts", async () => {
    await h.fault({ operation: "CreateInstances", error: "ThrottlingException", times: 100 });
    await expect(create()).rejects.toThrow(
      /^CreateInstance Lightsail Instance \(ci-server-1\): operation error Lightsail: CreateInstances, exceeded maximum number of attempts, 25, https response error StatusCode: 400, RequestID: [0-9a-f-]{36}, ThrottlingException: /,
    );
    expect(await h.account.faults.pending()).toMatchObject([{ times: 75 }]);
    expect((await h.account.books.read()).instances).toEqual({});
  });

  it("of capacity are an error, once, and leave nothing", async () => {
    await h.fault({ operation: "CreateInstances", match: "server-1", error: "InsufficientInstanceCapacity" });
    await create({ ...instanceInputs, name: "ci-server-2" });
    await expect(create()).rejects.toThrow(
      /InsufficientInstanceCapacity: We currently do not have sufficient capacity/,
    );
    await create();
    expect(h.machines.world().made).toBe(2);
  });

  it("of time make the instance and say that they did not: it is there for import, and its name is taken", async () => {
    await h.fault({ operation: "CreateInstances", error: "timeout" });
    const error: unknown = await create().catch((caught: unknown) => caught);
    expect(error).toEqual(
      new PluginError(
        "CreateInstance Lightsail Instance (ci-server-1): error waiting for request operation",
        undefined,
      ),
    );
    await expect(create()).rejects.toThrow(
      "InvalidInputException: Some names are already in use: ci-server-1",
    );
    const found = await h.client.read(types.instance, "ci-server-1", {});
    expect(found).toMatchObject({ id: "ci-server-1", state: { publicIpAddress: "198.18.3.1" } });
    // What import leaves out is what the API does not tell.
    expect((await h.client.diff(types.instance, found!, instanceInputs)).changes).toEqual({
      userData: "replace",
    });
  });

  it("of time make what is found by its inputs alone, and then differs in nothing", async () => {
    const publicKeyInputs = { name: "ci-key", publicKey };
    const orders = [
      ["CreateInstances", "instance", instanceInputs],
      ["AllocateStaticIp", "staticIp", { name: "ci-ip" }],
      ["CreateDisk", "disk", diskInputs],
      ["ImportKeyPair", "keyPair", publicKeyInputs],
    ] as const;
    for (const [operation, type, inputs] of orders) {
      await h.fault({ operation, error: "timeout" });
      await expect(h.make(type, inputs), type).rejects.toThrow();
      const found = await h.client.read(types[type], inputs.name, { ...inputs });
      expect((await h.client.diff(types[type], found!, inputs)).changes, type).toEqual({});
    }
    // What destroy may have to do without a look.
    for (const [, type, { name, ...inputs }] of orders) {
      await h.client.delete(types[type], { id: name, state: { name, ...inputs } });
    }
    const { instances, staticIps, disks, keyPairs } = await h.account.books.read();
    expect({ ...instances, ...staticIps, ...disks, ...keyPairs }).toEqual({});
  });

  it("of time during a deletion leave nothing that a second one stumbles over", async () => {
    const made = await create();
    await h.fault({ operation: "DeleteInstance", error: "timeout" });
    await expect(h.client.delete(types.instance, made)).rejects.toThrow(
      "error waiting for request operation",
    );
    await h.client.delete(types.instance, made);
    expect((await h.account.books.read()).instances).toEqual({});
  });

  it("half-created: in the books, with a machine that never starts, until it is replaced", async () => {
    await h.fault({ operation: "CreateInstances", match: "server-1", error: "half-created" });
    const made = await create();
    expect(made.state).toMatchObject({ name: "ci-server-1", publicIpAddress: "", privateIpAddress: "" });
    await h.make("ports", portInputs);
    await h.make("staticIp", { name: "ip" });
    await h.make("staticIpAttachment", { staticIpName: "ip", instanceName: "ci-server-1" });
    expect(h.machines.world().machines).toEqual({});
    expect(await h.client.read(types.instance, made.id, made.state)).toMatchObject({
      state: { publicIpAddress: "198.18.3.128" },
    });
    await h.client.delete(types.instance, made);
    await create();
    await h.make("staticIpAttachment", { staticIpName: "ip", instanceName: "ci-server-1" });
    expect(await h.machines.find("ci-server-1")).toMatchObject({ publicAddress: "198.18.3.128" });
  });

  it("after the instance keep it in the state", async () => {
    const addOn = { type: "AutoSnapshot", snapshotTime: "06:30", status: "Enabled" };
    const error: unknown = await h
      .make("instance", { ...instanceInputs, addOn })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      message: expect.stringContaining(
        "InvalidInputException: The snapshot time must be in HH:00 format",
      ) as unknown,
      kept: { id: "ci-server-1", state: { publicIpAddress: "198.18.3.1" } },
    });
  });

  it("of any name are errors of that name, for any call", async () => {
    await h.fault({ operation: "GetStaticIp", error: "AccessDeniedException" });
    await expect(h.make("staticIp", { name: "ip" })).rejects.toThrow(
      /reading Lightsail Static IP \(ip\): operation error Lightsail: GetStaticIp, .*, AccessDeniedException: this is a rehearsed fault$/,
    );
  });

  it("that nobody can read are an error", async () => {
    await writeFile(join(h.folder, "faults.json"), '[{"operation": "CreateInstances"}]');
    await expect(create()).rejects.toThrow(/faults\.json must be .*, got another `0\.error`/);
  });
});

describe("a machine that cannot be made", () => {
  it("is an error of the service, and leaves nothing", async () => {
    h.machines.onCreate = () => Promise.reject(new Error("no image"));
    await expect(create()).rejects.toThrow(
      /StatusCode: 500, RequestID: .*, ServiceException: the machine of ci-server-1 could not be made: no image$/,
    );
    expect((await h.account.books.read()).instances).toEqual({});
  });
});

describe("a plugin that was killed", () => {
  /** The plugin after one that was killed while it made an instance. */
  async function afterOrder(): Promise<AwsHarness> {
    // The engine's kill: the call never ends.
    h.machines.onCreate = () => new Promise(() => undefined);
    void create().catch(() => undefined);
    await expect
      .poll(async () => (await h.account.books.read()).instances["ci-server-1"]?.machine)
      .toBe("ordered");
    await h.stop();
    h.machines.onCreate = () => Promise.resolve();
    return AwsHarness.start(h);
  }

  it("while it made an instance leaves the order, which the next one to need the instance carries out", async () => {
    const next = await afterOrder();
    try {
      await expect(next.make("instance", instanceInputs)).rejects.toThrow("Some names are already in use");
      expect(next.machines.world().made).toBe(0);
      const found = await next.client.read(types.instance, "ci-server-1", {});
      expect(found?.state).toMatchObject({ publicIpAddress: "198.18.3.1" });
      await next.make("ports", portInputs);
      expect(next.machines.world().machines["ci-server-1"]?.rules).toHaveLength(1);
    } finally {
      await next.stop();
    }
  });

  it("while it made an instance leaves ports open that stay shut, whoever carries the order out last", async () => {
    const next = await afterOrder();
    try {
      let goOn = (): void => undefined;
      let asked = 0;
      h.machines.onOpenPorts = () => {
        asked += 1;
        return asked > 1 ? Promise.resolve() : new Promise((resolve) => (goOn = resolve));
      };
      const slow = next.client.read(types.instance, "ci-server-1", {});
      await expect.poll(() => asked).toBe(1);
      const shut = next.make("ports", portInputs);
      await Promise.race([shut, wait(300)]);
      goOn();
      await Promise.all([slow, shut]);
      expect(next.machines.world().machines["ci-server-1"]?.rules).toMatchObject(portInputs.portInfos);
    } finally {
      await next.stop();
    }
  });

  it("while it gave an instance its static address has not attached it", async () => {
    await create();
    await h.make("staticIp", { name: "ip" });
    let asked = 0;
    h.machines.onSetAddress = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    const attachment = { staticIpName: "ip", instanceName: "ci-server-1" };
    void h.make("staticIpAttachment", attachment).catch(() => undefined);
    await expect.poll(() => asked).toBe(1);
    // Books that say so would never be looked at again, and the machine would have another address for good.
    expect((await h.account.books.read()).staticIps["ip"]).not.toHaveProperty("attachedTo");
    h.machines.onSetAddress = () => Promise.resolve();
    await h.make("staticIpAttachment", attachment);
    expect(await h.machines.find("ci-server-1")).toMatchObject({ publicAddress: "198.18.3.128" });
  });

  it("while it opened the ports of an instance has not written them down", async () => {
    await create();
    const { ports } = (await h.account.books.read()).instances["ci-server-1"]!;
    let asked = 0;
    h.machines.onOpenPorts = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    void h.make("ports", portInputs).catch(() => undefined);
    await expect.poll(() => asked).toBe(1);
    // A refresh would find nothing to do.
    expect((await h.account.books.read()).instances["ci-server-1"]?.ports).toEqual(ports);
  });

  it("is followed by one that knows the same", async () => {
    const made = await create();
    const disk = await h.make("disk", diskInputs);
    await h.stop();
    const next = await AwsHarness.start(h);
    try {
      expect((await next.client.read(types.instance, made.id, made.state))?.state).toEqual(made.state);
      expect((await next.client.read(types.disk, disk.id, disk.state))?.state).toEqual(disk.state);
    } finally {
      await next.stop();
    }
  });
});

describe("two processes at once", () => {
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
  });

  async function start(): Promise<PluginClient> {
    const script = join(import.meta.dirname, "plugin-process.ts");
    const env = { ...process.env, HOMESPAN_REHEARSAL: h.folder };
    const child = spawn(process.execPath, [script], { env, stdio: ["ignore", "pipe", "inherit"] });
    running.push(child);
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const client = new PluginClient(Number(line));
    await client.configure({ region });
    return client;
  }

  it("lose nothing of each other, and share one list of faults", async () => {
    const clients = await Promise.all([start(), start()]);
    await h.fault({ operation: "CreateDisk", error: "ServiceException", times: 6 });
    const disks = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) =>
        clients[n % 2]!.create(types.disk, { ...diskInputs, name: `disk-${n}` }),
      ),
    );
    const failed = disks.filter(({ status }) => status === "rejected");
    expect(failed).toHaveLength(6);
    expect(await h.account.faults.pending()).toEqual([]);
    expect(Object.keys((await h.account.books.read()).disks)).toHaveLength(24);
    // Of one name there is one, whoever was faster.
    const twins = await Promise.allSettled(
      clients.map((client) => client.create(types.staticIp, { name: "twin" })),
    );
    expect(twins.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    for (const client of clients) client.close();
  });
});
