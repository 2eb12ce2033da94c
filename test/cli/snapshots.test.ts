/** `snapshot` and `restore`: what they find, say, ask and order. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { placeOf, objectsIn, signedHeaders } from "../../cli/snapshots/bucket.ts";
import { parseLocal } from "../../cli/snapshots/list.ts";
import { openOrder, orderFile, rememberOrder } from "../../cli/snapshots/order.ts";
import { composeConfig, prepareStack } from "../../cli/state.ts";
import { restore } from "../../cli/verbs/restore.ts";
import { showSnapshots, takeSnapshot } from "../../cli/verbs/snapshot.ts";
import { up } from "../../cli/verbs/up.ts";
import { type Bed, type BedOptions, outputs, withCluster } from "./bed.ts";
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
    // Everything ends like this: k3s-stop too, so the order is made by hand.
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
