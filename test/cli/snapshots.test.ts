/** `snapshot` and `restore`: what they find, say, ask and order. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Context } from "../../cli/context.ts";
import { withLock } from "../../cli/locks.ts";
import { placeOf, objectsIn, signedHeaders } from "../../cli/snapshots/bucket.ts";
import { parseLocal } from "../../cli/snapshots/list.ts";
import { newOrder, openOrder, orderFile, orderText, rememberOrder } from "../../cli/snapshots/order.ts";
import { composeConfig, prepareStack } from "../../cli/state.ts";
import { restore } from "../../cli/verbs/restore.ts";
import { showSnapshots, takeSnapshot } from "../../cli/verbs/snapshot.ts";
import { up } from "../../cli/verbs/up.ts";
import { readRestoreOrder } from "../../provider/logic/restore-order.ts";
import { type Bed, type BedOptions, healthy, outputs, withCluster } from "./bed.ts";
import { bed, ci, failure, once } from "./verb-support.ts";

const machine = (name: string, address: string, role = "server") => ({
  ...{ name, role, site: "eu-central-1", hostName: `l-${name}` },
  transport: { kind: "ssh", address, port: 22, user: "admin", hostKey: "ssh-ed25519 AAAA" },
});
const stack = { name: "ci", topology: "ci" };

/** A stack of two servers on machines, and what is on their disks; the third answers no more. */
function machines(options: BedOptions = {}): Bed {
  const made = withCluster(bed(options));
  const nodes = [
    machine("server-1", "198.18.1.8"),
    machine("server-2", "198.18.1.9"),
    machine("server-3", "198.18.1.10"),
    machine("agent-1", "198.18.1.11", "agent"),
  ];
  const own = { ...outputs, clusterName: "l", nodes, sshPrivateKey: "-----BEGIN KEY-----\n" };
  const folder = join(made.folder, "snapshots");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "admin@198.18.1.8"),
    "etcd-snapshot-l-1700000000|5242880|1700000000\nlost+found|1|1\n",
  );
  writeFileSync(join(folder, "admin@198.18.1.9"), "on-demand-l-1700003600|6291456|1700003600\n");
  const resource = (type: string, id: string, more: object) => ({
    urn: `urn:pulumi:ci::homespan::${type}::${id}`,
    type,
    ...more,
  });
  Object.assign(made.environment, {
    FAKE_OUTPUTS: made.file("outputs.json", own),
    FAKE_SNAPSHOTS: folder,
    FAKE_SAVED: 'time=x level=info msg="Snapshot on-demand-l-1700003600 saved."',
    FAKE_CHECKPOINT: made.file("checkpoint.json", {
      version: 3,
      checkpoint: {
        latest: { resources: [resource("pulumi:pulumi:Stack", "homespan-ci", { outputs: own })] },
      },
    }),
  });
  return made;
}

describe("the bucket", () => {
  const bucket = {
    ...{ endpoint: "s3.us-east-1.amazonaws.com", bucket: "examplebucket", region: "us-east-1", folder: "" },
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  };

  test("is asked with AWS's signature: its own example", () => {
    const target = { host: "examplebucket.s3.amazonaws.com", path: "/", search: "max-keys=2&prefix=J" };
    const { authorization } = signedHeaders(bucket, target, new Date("2013-05-24T00:00:00Z"));
    expect(authorization).toContain("AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request");
    expect(authorization).toContain("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    expect(authorization).not.toContain(bucket.secretAccessKey);
  });

  test("has a name of its own at AWS, and a path elsewhere", () => {
    expect(placeOf(bucket)).toEqual({
      host: "examplebucket.s3.dualstack.us-east-1.amazonaws.com",
      path: "/",
    });
    expect(placeOf({ ...bucket, endpoint: "s3.example.com:9000" })).toEqual({
      host: "s3.example.com:9000",
      path: "/examplebucket",
    });
  });

  test("tells its objects in XML", () => {
    const object =
      "<Contents><Key>a&amp;b</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><Size>7</Size></Contents>";
    expect(objectsIn(`<ListBucketResult>${object}${object}</ListBucketResult>`)).toEqual(
      Array.from({ length: 2 }, () => ({ key: "a&b", modified: "2026-11-21T12:00:00.000Z", size: 7 })),
    );
    expect(objectsIn("<ListBucketResult></ListBucketResult>")).toEqual([]);
  });
});

describe("snapshot", () => {
  test("lists what is on the servers that answer, newest first", async () => {
    const made = machines({ json: true });
    await prepareStack(made.context, ci, []);
    await showSnapshots(made.context, stack);
    const [text = ""] = made.printed;
    const { snapshots } = JSON.parse(text) as { snapshots: { name: string; where: string }[] };
    expect(snapshots.map(({ name, where }) => [name, where])).toEqual([
      ["on-demand-l-1700003600", "server-2"],
      ["etcd-snapshot-l-1700000000", "server-1"],
    ]);
    expect(parseLocal("server-1", "no snapshot\nx-1|2|3\n")).toEqual([]);
  });

  test("is taken by the first server that can, and shown where it is", async () => {
    const made = machines();
    await prepareStack(made.context, ci, []);
    await takeSnapshot(made.context, stack);
    expect(made.printed.join("\n")).toMatch(
      /on-demand-l-1700003600 +2023-11-14T23:13:20\.000Z +6\.0 MiB +server-2/,
    );
    made.environment["FAKE_SAVED"] = 'level=fatal msg="etcd is not here"';
    expect((await failure(takeSnapshot(made.context, stack))).message).toMatch(
      /no server takes a snapshot:\n {2}server-1: .*etcd is not here/,
    );
  });
});

describe("restore", () => {
  test("says what is lost, stops every server that answers, and orders the newest snapshot", async () => {
    const made = machines();
    made.environment["FAKE_KUBERNETES_NODES"] = made.file("nodes.json", { items: [] });
    await prepareStack(made.context, ci, []);
    await restore(made.context, stack, { timeoutMinutes: 1 });
    const said = made.said.join("\n");
    expect(said).toContain("restoring ci from on-demand-l-1700003600 of 2023-11-14T23:13:20.000Z (server-2)");
    expect(said).toContain("server-1 begins anew, server-2 begins anew, server-3 does not answer");
    const calls = made.calls();
    const stops = calls.filter((call) => call.includes("/usr/lib/homespan/k3s-stop"));
    expect(stops.map((call) => /admin@\S+/.exec(call)?.[0]).sort()).toEqual([
      "admin@198.18.1.8",
      "admin@198.18.1.9",
    ]);
    expect(calls.filter((call) => call.startsWith("kubectl|")).at(-1)).toContain(
      "rollout status deployment/smoke",
    );
    expect(said).not.toContain("warning");
    // Done: nothing is left to go on with.
    expect(existsSync(orderFile(made.context.paths, "ci"))).toBe(false);
  });

  test("goes on with one that was cut off, with the same order, and up waits for it", async () => {
    const made = machines();
    await prepareStack(made.context, ci, []);
    const order = {
      id: "a1",
      server: "server-1",
      from: "local",
      snapshot: "etcd-snapshot-l-1700000000",
      nodes: {},
    } as const;
    await rememberOrder(made.context.paths, "ci", order);
    expect((await failure(up(made.context, ci, once))).message).toContain(
      "go on with it: ./homespan restore ci",
    );
    made.environment["FAKE_EXIT"] = "1";
    await failure(restore(made.context, stack, { timeoutMinutes: 1 }));
    expect(await openOrder(made.context.paths, "ci")).toEqual(order);
    expect(made.said.join("\n")).toContain("going on with the restore from etcd-snapshot-l-1700000000");
    expect(made.calls().join("\n")).not.toContain("k3s-stop");
  });

  test("stops no server while another run is at work, or where doctor refuses", async () => {
    const made = machines();
    const { locks } = made.context.paths;
    await prepareStack(made.context, ci, []);
    await withLock(join(locks, "ci.lock"), "up ci", 0, async () => {
      const error = await failure(restore(made.context, stack, { timeoutMinutes: 1 }));
      expect(error.message).toContain("another run (`up ci`");
    });
    const probe: Context["machine"]["probe"] = async () => ({ ...healthy, tun: false });
    const unfit = { ...made.context, machine: { ...made.context.machine, probe } };
    expect((await failure(restore(unfit, stack, { timeoutMinutes: 1 }))).message).toContain("/dev/net/tun");
    expect(made.calls().join("\n")).not.toContain("k3s-stop");
    expect(await openOrder(made.context.paths, "ci")).toBeUndefined();
  });

  test("that could not stop a server says what to do, keeps `up` out, and goes on with stopping", async () => {
    const made = machines();
    made.environment["FAKE_KUBERNETES_NODES"] = made.file("nodes.json", { items: [] });
    await prepareStack(made.context, ci, []);
    made.environment["FAKE_STOP_FAILING"] = "198.18.1.9";
    const { message } = await failure(restore(made.context, stack, { timeoutMinutes: 1 }));
    expect(message).toContain("server-2: Failed to stop k3s.service");
    expect(message).toContain("fix: go on with ./homespan restore ci;");
    expect(message).toContain("./homespan restore ci --snapshot on-demand-l-1700003600");
    const order = await openOrder(made.context.paths, "ci");
    expect(order?.stopping).toEqual(["server-1", "server-2"]);
    expect((await failure(up(made.context, ci, once))).message).toContain("a restore of ci from");
    made.environment["FAKE_STOP_FAILING"] = "none";
    await restore(made.context, stack, { timeoutMinutes: 1 });
    expect(made.calls().filter((call) => call.includes("/k3s-stop"))).toHaveLength(4);
    expect(existsSync(orderFile(made.context.paths, "ci"))).toBe(false);
  });

  test("stops nobody a second time once all were stopped: some may have begun anew", async () => {
    const made = machines();
    await prepareStack(made.context, ci, []);
    made.environment["FAKE_UP_EXIT"] = "1";
    await failure(restore(made.context, stack, { timeoutMinutes: 1 }));
    await failure(restore(made.context, stack, { timeoutMinutes: 1 }));
    expect(made.calls().filter((call) => call.includes("/k3s-stop"))).toHaveLength(2);
    expect(made.calls().filter((call) => call.includes("|up "))).toHaveLength(2);
  });

  test("has not ended while nodes of before are left", async () => {
    const made = machines();
    await prepareStack(made.context, ci, []);
    made.environment["FAKE_UNDELETED"] = "agent-1.node-password.k3s";
    const items = [{ metadata: { name: "agent-1" }, status: {} }];
    made.environment["FAKE_KUBERNETES_NODES"] = made.file("nodes.json", { items });
    const own = { ...outputs, nodes: [machine("server-1", "198.18.1.8")], sshPrivateKey: "-" };
    made.environment["FAKE_OUTPUTS"] = made.file("outputs.json", own);
    made.environment["FAKE_LEASES"] = made.file("leases.json", { items: [] });
    const patience = { askSeconds: 1, watchSeconds: 0.1, pauseSeconds: 0.01 };
    const { message } = await failure(restore(made.context, stack, { timeoutMinutes: 1 }, patience));
    expect(message).toContain("nodes of before are left, agent-1");
    expect(await openOrder(made.context.paths, "ci")).toBeDefined();
  });

  test("keeps out an `up` that had begun before it", async () => {
    const made = machines();
    const { paths, machine: own } = made.context;
    const order = newOrder({ server: "server-1", from: "local", snapshot: "x-1700000000", nodes: {} });
    await prepareStack(made.context, ci, []);
    const prepare: typeof own.prepare = async (...args) => {
      await rememberOrder(paths, "ci", order);
      return own.prepare(...args);
    };
    const slow = { ...made.context, machine: { ...own, prepare } };
    expect((await failure(up(slow, ci, once))).message).toContain("a restore of ci from x-1700000000");
    expect(made.calls().filter((call) => call.includes("|up "))).toEqual([]);
  });

  test("gives a run the order as the provider reads it", () => {
    const order = newOrder({ server: "server-1", from: "s3", snapshot: "x-1", nodes: { "server-1": "" } });
    expect(readRestoreOrder(orderText({ ...order, stopping: ["server-1"] }))).toEqual(order);
  });

  test("refuses a name nobody knows, and a stack of containers", async () => {
    const made = machines();
    await prepareStack(made.context, ci, []);
    const unknown = restore(made.context, stack, { snapshot: "on-demand-l-1700003601", timeoutMinutes: 1 });
    expect((await failure(unknown)).message).toContain('did you mean "on-demand-l-1700003600"?');
    const containers = withCluster(bed());
    await prepareStack(containers.context, ci, []);
    const refused = restore(containers.context, ci, { timeoutMinutes: 1 });
    expect((await failure(refused)).message).toContain("must be one whose servers are machines");
  });

  test("asks on a terminal, and changes nothing after a no", async () => {
    const made = machines({ yes: false, answer: false });
    await prepareStack(made.context, ci, []);
    expect((await failure(restore(made.context, stack, { timeoutMinutes: 1 }))).message).toBe(
      "nothing was changed",
    );
    expect(made.calls().join("\n")).not.toContain("k3s-stop");
  });
});

test("a secret that was set for the stack stays, whatever the committed file says", async () => {
  const made = bed();
  const { paths } = made.context;
  await prepareStack(made.context, ci, []);
  const file = join(paths.config, "Pulumi.ci.yaml");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace("config:\n", "config:\n  homespan:s3SecretAccessKey:\n    secure: v1:abc\n"),
  );
  const { config } = await composeConfig(paths, ci, []);
  expect(config["homespan:s3SecretAccessKey"]).toEqual({ secure: "v1:abc" });
});
