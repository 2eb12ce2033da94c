/** What the stand-in for aws makes, changes, finds and removes. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countObjects } from "../../../rehearsal/clouds/aws/service/buckets.ts";
import { forgetLostInstances } from "../../../rehearsal/clouds/aws/service/instances.ts";
import { type Properties, UNKNOWN, unwrapAll } from "../../../provider/server/values.ts";
import type { Made } from "../shared/plugin-client.ts";
import {
  AwsHarness,
  diskInputs,
  instanceInputs,
  portInputs,
  publicKey,
  region,
  types,
  zone,
} from "./harness.ts";

let h: AwsHarness;
beforeEach(async () => {
  h = await AwsHarness.start();
});
afterEach(async () => {
  await h.end();
});

const attachment = { diskName: "ci-server-1-data", instanceName: "ci-server-1", diskPath: "/dev/xvdf" };
const arn = (kind: string) =>
  expect.stringMatching(
    new RegExp(`^arn:aws:lightsail:${region}:123456789012:${kind}/[0-9a-f-]{36}$`),
  ) as unknown;

/** One of everything. */
async function everything(): Promise<Readonly<Record<keyof typeof types, Made>>> {
  return {
    keyPair: await h.make("keyPair", { name: "ci", publicKey }),
    instance: await h.make("instance", { ...instanceInputs, keyPairName: "ci" }),
    ports: await h.make("ports", portInputs),
    staticIp: await h.make("staticIp", { name: "ci-server-1-ip" }),
    staticIpAttachment: await h.make("staticIpAttachment", {
      staticIpName: "ci-server-1-ip",
      instanceName: "ci-server-1",
    }),
    disk: await h.make("disk", diskInputs),
    diskAttachment: await h.make("diskAttachment", attachment),
    bucket: await h.make("bucket", { name: "ci-snapshots", bundleId: "small_1_0" }),
    accessKey: await h.make("accessKey", { bucketName: "ci-snapshots" }),
  };
}

describe("outputs", () => {
  it("are those of the real resources, with their ids", async () => {
    const made = await everything();
    const states = Object.entries(made).map(([name, { id, state }]) => [name, { id, ...unwrapAll(state) }]);
    expect(Object.fromEntries(states)).toEqual({
      keyPair: {
        id: "ci",
        name: "ci",
        ...{ publicKey, region, tagsAll: {}, arn: arn("KeyPair") },
        ...{ privateKey: "", encryptedFingerprint: "", encryptedPrivateKey: "" },
        fingerprint: expect.stringMatching(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/) as unknown,
      },
      instance: {
        id: "ci-server-1",
        ...instanceInputs,
        ...{ region, keyPairName: "ci", arn: arn("Instance"), cpuCount: 2, ramSize: 4, username: "admin" },
        createdAt: expect.stringMatching(/^2026-11-21T12:\d\d:\d\dZ$/) as unknown,
        ipAddressType: "dualstack",
        ipv6Addresses: [expect.stringMatching(/^2001:db8:/)],
        isStaticIp: false,
        privateIpAddress: "172.26.3.16",
        publicIpAddress: "198.18.3.1",
        tagsAll: instanceInputs.tags,
      },
      ports: {
        id: expect.stringMatching(/^ci-server-1-\d+$/) as unknown,
        instanceName: "ci-server-1",
        region,
        portInfos: [{ ...portInputs.portInfos[0], ipv6Cidrs: [], cidrListAliases: [] }],
      },
      staticIp: {
        id: "ci-server-1-ip",
        ...{ name: "ci-server-1-ip", region, arn: arn("StaticIp"), ipAddress: "198.18.3.128" },
        supportCode: expect.stringMatching(/^123456789012\/eipalloc-0[0-9a-f]{16}$/) as unknown,
      },
      staticIpAttachment: {
        id: "ci-server-1-ip",
        ...{ staticIpName: "ci-server-1-ip", instanceName: "ci-server-1", region, ipAddress: "198.18.3.128" },
      },
      disk: {
        id: "ci-server-1-data",
        ...{ ...diskInputs, region, tagsAll: {}, arn: arn("Disk") },
        createdAt: expect.stringMatching(/Z$/) as unknown,
        supportCode: expect.stringMatching(/^123456789012\/vol-0/) as unknown,
      },
      diskAttachment: { id: "ci-server-1-data,ci-server-1", ...attachment, region },
      bucket: {
        id: "ci-snapshots",
        ...{ name: "ci-snapshots", bundleId: "small_1_0", region, arn: arn("Bucket"), forceDelete: false },
        ...{ availabilityZone: "all", url: `https://ci-snapshots.s3.${region}.amazonaws.com/`, tagsAll: {} },
        createdAt: expect.stringMatching(/Z$/) as unknown,
        supportCode: expect.stringMatching(/^123456789012\/bucket-0/) as unknown,
      },
      accessKey: {
        id: expect.stringMatching(/^ci-snapshots,AKIA[A-Z2-7]{16}$/) as unknown,
        ...{ bucketName: "ci-snapshots", region, status: "Active" },
        accessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/) as unknown,
        createdAt: expect.stringMatching(/Z$/) as unknown,
        secretAccessKey: expect.stringMatching(/^[A-Za-z0-9+/]{40}$/) as unknown,
      },
    });
    // What is secret in the real plugin's schema is secret here.
    expect(made.accessKey.state["secretAccessKey"]).not.toBeTypeOf("string");
    expect(made.keyPair.state["privateKey"]).not.toBeTypeOf("string");
  });

  it("are read as they were made, and an attached static IP shows at the instance", async () => {
    const made = await everything();
    for (const [name, { id, state }] of Object.entries(made)) {
      const found = await h.client.read(types[name as keyof typeof types], id, state);
      const shown = name === "instance" ? { isStaticIp: true, publicIpAddress: "198.18.3.128" } : {};
      expect(found).toMatchObject({ id, state: { ...state, ...shown } });
    }
  });

  it("are found for import by their ids, but not a key pair", async () => {
    const made = await everything();
    const { instance, staticIp, staticIpAttachment, disk, diskAttachment, bucket, accessKey } = made;
    const found = await h.client.read(types.instance, instance.id, {});
    expect(found?.state).toMatchObject({ arn: instance.state["arn"], name: "ci-server-1" });
    expect(found?.inputs).toMatchObject({
      name: "ci-server-1",
      bundleId: "medium_3_0",
      tags: { cluster: "ci" },
    });
    for (const [type, one] of Object.entries({
      staticIp,
      staticIpAttachment,
      disk,
      diskAttachment,
      bucket,
    })) {
      const again = await h.client.read(types[type as keyof typeof types], one.id, {});
      expect(again?.state).toEqual(one.state);
    }
    const key = await h.client.read(types.accessKey, accessKey.id, {});
    expect(unwrapAll(key?.state ?? {})).toMatchObject({ secretAccessKey: "", status: "Active" });
    expect(await h.client.read(types.instance, "nobody", {})).toBeUndefined();
    await expect(h.client.read(types.keyPair, "ci", {})).rejects.toThrow(
      "import is not possible for this type",
    );
  });

  it("of a preview leave open what nobody knows yet, and touch nothing", async () => {
    const { state } = await h.client.create(types.instance, instanceInputs, true);
    expect(state).toMatchObject({
      name: "ci-server-1",
      arn: UNKNOWN,
      publicIpAddress: UNKNOWN,
      keyPairName: UNKNOWN,
    });
    expect(await h.account.books.read()).toMatchObject({ instances: {} });
    expect(h.machines.world().made).toBe(0);
  });
});

describe("machines", () => {
  it("get the key, the user-data and the ports of the instance", async () => {
    await h.make("keyPair", { name: "ci", publicKey });
    await h.make("instance", { ...instanceInputs, keyPairName: "ci" });
    const { machines } = h.machines.world();
    const { name, bundleId, blueprintId, userData, tags } = instanceInputs;
    expect(machines[name]?.spec).toEqual({ name, zone, bundleId, blueprintId, userData, tags, publicKey });
    const open = (port: number) => ({
      ...{ fromPort: port, toPort: port, protocol: "tcp" },
      ...{ cidrs: ["0.0.0.0/0"], ipv6Cidrs: ["::/0"], cidrListAliases: [] },
    });
    expect(machines[name]?.rules).toEqual([open(22), open(80)]);
  });

  it("have the ports that were put last and no others, and everyone where nobody is named", async () => {
    await h.make("instance", instanceInputs);
    const udp = { fromPort: 41641, toPort: 41641, protocol: "udp" };
    const made = await h.make("ports", {
      instanceName: "ci-server-1",
      portInfos: [udp, portInputs.portInfos[0]],
    });
    const rules = async () =>
      h.machines.world().machines["ci-server-1"]?.rules.map((rule) => [rule.fromPort, rule.cidrs]);
    expect(await rules()).toEqual([
      [41641, ["0.0.0.0/0"]],
      [22, ["203.0.113.7/32"]],
    ]);
    // In another order, and without what the service filled in, they are the same.
    const turned = { instanceName: "ci-server-1", portInfos: [portInputs.portInfos[0], udp] };
    expect((await h.client.diff(types.ports, made, turned)).changes).toEqual({});
    await h.client.delete(types.ports, made);
    expect(await rules()).toEqual([]);
    expect(await h.client.read(types.ports, made.id, made.state)).toBeUndefined();
  });

  it("lose ports when new ones are put before the old ones are deleted, as with the real plugin", async () => {
    await h.make("instance", instanceInputs);
    const old = await h.make("ports", portInputs);
    const https = { fromPort: 443, toPort: 443, protocol: "tcp" };
    await h.make("ports", { instanceName: "ci-server-1", portInfos: [...portInputs.portInfos, https] });
    await h.client.delete(types.ports, old);
    expect(h.machines.world().machines["ci-server-1"]?.rules.map((rule) => rule.fromPort)).toEqual([443]);
  });

  it("have a static address while it is attached, and one of their own after", async () => {
    const { instance, staticIpAttachment: made } = await everything();
    const address = async () => (await h.machines.find("ci-server-1"))?.publicAddress;
    expect(await address()).toBe("198.18.3.128");
    await h.client.delete(types.staticIpAttachment, made);
    expect(await address()).not.toBe("198.18.3.128");
    const found = await h.client.read(types.instance, instance.id, instance.state);
    expect(found?.state).toMatchObject({ isStaticIp: false, publicIpAddress: await address() });
    expect(await h.client.read(types.staticIpAttachment, made.id, made.state)).toBeUndefined();
  });

  it("leave disks and static IP behind, unattached", async () => {
    const { instance, diskAttachment, disk } = await everything();
    await h.client.delete(types.instance, instance);
    const { disks, staticIps, instances } = await h.account.books.read();
    expect(instances).toEqual({});
    expect([disks["ci-server-1-data"]?.attachedTo, staticIps["ci-server-1-ip"]?.attachedTo]).toEqual([
      undefined,
      undefined,
    ]);
    expect(
      await h.client.read(types.diskAttachment, diskAttachment.id, diskAttachment.state),
    ).toBeUndefined();
    expect(h.machines.world().disks).toHaveProperty("ci-server-1-data");
    await h.client.delete(types.disk, disk);
    expect(h.machines.world().disks).toEqual({});
  });

  it("that somebody removed are gone for all that hung on them, and made anew under their name", async () => {
    const made = await everything();
    await h.machines.remove("ci-server-1");
    for (const name of ["instance", "ports", "staticIpAttachment", "diskAttachment"] as const) {
      expect(await h.client.read(types[name], made[name].id, made[name].state)).toBeUndefined();
    }
    const again = await h.make("instance", instanceInputs);
    expect(again.state["arn"]).not.toBe(made.instance.state["arn"]);
    await h.make("diskAttachment", attachment);
    expect(h.machines.world().machines["ci-server-1"]?.disks).toEqual({
      "/dev/xvdf": "ci-server-1-data",
    });
  });

  it("that somebody removed are in no list, and those that are there stay in it", async () => {
    await everything();
    await forgetLostInstances(h.account);
    expect(Object.keys((await h.account.books.read()).instances)).toEqual(["ci-server-1"]);
    await h.machines.remove("ci-server-1");
    await forgetLostInstances(h.account);
    const { instances, staticIps } = await h.account.books.read();
    expect(instances).toEqual({});
    expect(Object.values(staticIps).map(({ attachedTo }) => attachedTo)).toEqual([undefined]);
  });
});

describe("changes", () => {
  const addOn = { type: "AutoSnapshot", snapshotTime: "06:00", status: "Enabled" };
  const rows: readonly (readonly [keyof typeof types, Properties, Readonly<Record<string, string>>])[] = [
    ["instance", { ...instanceInputs, keyPairName: "ci" }, {}],
    [
      "instance",
      { ...instanceInputs, keyPairName: "ci", availabilityZone: `${region}b` },
      { availabilityZone: "replace" },
    ],
    [
      "instance",
      { ...instanceInputs, keyPairName: "ci", blueprintId: "ubuntu_24_04" },
      { blueprintId: "replace" },
    ],
    ["instance", { ...instanceInputs, keyPairName: "ci", bundleId: "large_3_0" }, { bundleId: "replace" }],
    ["instance", { ...instanceInputs, keyPairName: "other" }, { keyPairName: "replace" }],
    ["instance", { ...instanceInputs, keyPairName: "ci", name: "ci-server-2" }, { name: "replace" }],
    ["instance", { ...instanceInputs, keyPairName: "ci", userData: "#!/bin/sh\n" }, { userData: "replace" }],
    ["instance", { ...instanceInputs, keyPairName: "ci", region: "us-east-1" }, { region: "replace" }],
    ["instance", { ...instanceInputs, keyPairName: "ci", userData: UNKNOWN }, { userData: "replace" }],
    [
      "instance",
      { ...instanceInputs, keyPairName: "ci", tags: { a: "b" } },
      { "tags.a": "add", "tags.cluster": "delete" },
    ],
    ["instance", { ...instanceInputs, keyPairName: "ci", addOn }, { addOn: "add" }],
    [
      "instance",
      { ...instanceInputs, keyPairName: "ci", ipAddressType: "ipv4" },
      { ipAddressType: "update" },
    ],
    ["ports", portInputs, {}],
    [
      "ports",
      { ...portInputs, portInfos: [{ ...portInputs.portInfos[0], cidrs: ["0.0.0.0/0"] }] },
      { portInfos: "replace" },
    ],
    ["ports", { ...portInputs, instanceName: UNKNOWN }, { instanceName: "replace" }],
    ["staticIp", { name: "ci-server-1-ip" }, {}],
    ["staticIp", { name: "other" }, { name: "replace" }],
    [
      "staticIpAttachment",
      { staticIpName: "ci-server-1-ip", instanceName: "other" },
      { instanceName: "replace" },
    ],
    [
      "staticIpAttachment",
      { staticIpName: "other", instanceName: "ci-server-1" },
      { staticIpName: "replace" },
    ],
    ["disk", { ...diskInputs, tags: {} }, {}],
    ["disk", { ...diskInputs, tags: { a: "b" } }, { tags: "add" }],
    ["disk", { ...diskInputs, sizeInGb: 21 }, { sizeInGb: "replace" }],
    ["disk", { ...diskInputs, availabilityZone: `${region}b` }, { availabilityZone: "replace" }],
    ["diskAttachment", { ...attachment, diskPath: "/dev/xvdg" }, { diskPath: "replace" }],
    ["diskAttachment", { ...attachment, diskName: "other" }, { diskName: "replace" }],
    ["diskAttachment", { ...attachment, instanceName: "other" }, { instanceName: "replace" }],
    ["keyPair", { name: "ci", publicKey }, {}],
    ["keyPair", { name: "ci", publicKey: "ssh-rsa AAAA" }, { publicKey: "replace" }],
    ["bucket", { name: "ci-snapshots", bundleId: "medium_1_0" }, { bundleId: "update" }],
    ["bucket", { name: "ci-snapshots", bundleId: "small_1_0", forceDelete: true }, { forceDelete: "update" }],
    ["bucket", { name: "ci-other", bundleId: "small_1_0" }, { name: "replace" }],
    ["accessKey", { bucketName: "ci-other" }, { bucketName: "replace" }],
  ];
  it("replace what cannot be changed, and nothing else", async () => {
    const made = await everything();
    for (const [name, news, changes] of rows) {
      expect([name, news, (await h.client.diff(types[name], made[name], news)).changes]).toEqual([
        name,
        news,
        changes,
      ]);
    }
  });

  it("make a named resource anew after its end, and one without a name before", async () => {
    const made = await everything();
    const first = async (name: keyof typeof types, news: Properties) =>
      (await h.client.diff(types[name], made[name], news)).deletesFirst;
    expect(await first("instance", { ...instanceInputs, bundleId: "large_3_0" })).toBe(true);
    expect(await first("ports", { ...portInputs, portInfos: [] })).toBe(false);
    expect(await first("staticIpAttachment", { staticIpName: "x", instanceName: "y" })).toBe(false);
    const { name: _, ...nameless } = diskInputs;
    const unnamed = await h.make("disk", nameless);
    expect(unnamed.id).toMatch(/^name-[0-9a-f]{7}$/);
    expect((await h.client.diff(types.disk, unnamed, nameless)).changes).toEqual({});
    expect((await h.client.diff(types.disk, unnamed, { ...nameless, sizeInGb: 30 })).deletesFirst).toBe(
      false,
    );
  });

  it("are made in place where the service can", async () => {
    const made = await everything();
    const news = { ...instanceInputs, keyPairName: "ci", tags: { a: "b" }, addOn, ipAddressType: "ipv4" };
    const instance = await h.client.update(types.instance, made.instance, news);
    expect(instance.state).toMatchObject({
      tags: { a: "b" },
      addOn,
      ipAddressType: "ipv4",
      ipv6Addresses: [],
    });
    expect((await h.client.diff(types.instance, instance, news)).changes).toEqual({});
    const off = { ...news, addOn: { ...addOn, status: "Disabled" } };
    const disabled = await h.client.update(types.instance, instance, off);
    expect((await h.account.books.read()).instances["ci-server-1"]?.addOn).toBeUndefined();
    const read = await h.client.read(types.instance, disabled.id, disabled.state);
    expect(
      (await h.client.diff(types.instance, { ...disabled, state: read?.state ?? {} }, off)).changes,
    ).toEqual({});
    const bucketNews = { name: "ci-snapshots", bundleId: "large_1_0", tags: { a: "b" }, forceDelete: true };
    const bucket = await h.client.update(types.bucket, made.bucket, bucketNews);
    expect(bucket.state).toMatchObject({ ...bucketNews, tagsAll: { a: "b" } });
    const disk = await h.client.update(types.disk, made.disk, { ...diskInputs, tags: { a: "b" } });
    expect(disk.state).toMatchObject({ tagsAll: { a: "b" } });
    const pair = await h.client.update(types.keyPair, made.keyPair, {
      name: "ci",
      publicKey,
      tags: { a: "b" },
    });
    expect(pair.state).toMatchObject({ tagsAll: { a: "b" }, publicKey });
  });
});

describe("the end", () => {
  it("empties the books, in the order of a destroy, and may come twice", async () => {
    const made = await everything();
    await countObjects(h.account, "ci-snapshots", 0);
    const order = [
      "ports",
      "staticIpAttachment",
      "diskAttachment",
      "instance",
      "staticIp",
      "disk",
      "keyPair",
      "accessKey",
      "bucket",
    ] as const;
    for (const name of order) await h.client.delete(types[name], made[name]);
    expect(await h.account.books.read()).toEqual({
      instances: {},
      staticIps: {},
      disks: {},
      keyPairs: {},
      buckets: {},
    });
    expect(h.machines.world()).toMatchObject({ machines: {}, disks: {} });
    for (const name of [
      "instance",
      "staticIpAttachment",
      "staticIp",
      "disk",
      "keyPair",
      "accessKey",
      "bucket",
    ] as const) {
      await h.client.delete(types[name], made[name]);
      expect(await h.client.read(types[name], made[name].id, made[name].state)).toBeUndefined();
    }
  });

  it("does not come for what is in use", async () => {
    const made = await everything();
    await expect(h.client.delete(types.disk, made.disk)).rejects.toThrow(
      "InvalidInputException: The disk ci-server-1-data is attached to the instance ci-server-1; detach it first",
    );
    await expect(h.client.delete(types.staticIp, made.staticIp)).rejects.toThrow(
      "InvalidInputException: The static IP",
    );
    await expect(h.client.delete(types.bucket, made.bucket)).rejects.toThrow(
      "InvalidInputException: The bucket ci-snapshots has 1 access keys; delete them first, or force its deletion",
    );
    await countObjects(h.account, "ci-snapshots", 3);
    await h.client.delete(types.accessKey, made.accessKey);
    await expect(h.client.delete(types.bucket, made.bucket)).rejects.toThrow(
      "InvalidInputException: The bucket ci-snapshots is not empty: it has 3 objects; force its deletion",
    );
    const forced = await h.client.update(types.bucket, made.bucket, {
      ...made.bucket.inputs,
      forceDelete: true,
    });
    await h.client.delete(types.bucket, forced);
    expect((await h.account.books.read()).buckets).toEqual({});
  });

  it("of ports and of an attached disk fails where the instance is gone, as with the real plugin", async () => {
    const made = await everything();
    await h.machines.remove("ci-server-1");
    await expect(h.client.delete(types.ports, made.ports)).rejects.toThrow(
      /^unable to close public ports for instance ci-server-1: .*NotFoundException: The Instance does not exist: ci-server-1$/,
    );
    await expect(h.client.delete(types.diskAttachment, made.diskAttachment)).rejects.toThrow(
      "NotFoundException",
    );
  });
});

describe("a key pair", () => {
  it("is made by the service where no public key is given", async () => {
    const { id, state } = await h.make("keyPair", { namePrefix: "ci-" });
    const { publicKey: made, privateKey } = unwrapAll(state);
    // The name in the program is not the key pair's: that is what the prefix is for.
    expect(id).toMatch(/^ci-[0-9a-f]{26}$/);
    expect(made).toMatch(/^ssh-rsa AAAA/);
    expect(privateKey).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
    expect(state["privateKey"]).not.toBeTypeOf("string");
    expect(JSON.stringify(await h.account.books.read())).not.toContain("PRIVATE KEY");
  });
});

describe("the provider", () => {
  it("has a region that offers Lightsail, and knows its own properties", async () => {
    const problems = async (inputs: Properties) => (await h.client.checkConfig(inputs)).problems;
    expect(await problems({ region, skipCredentialsValidation: "true", version: "7.48.0" })).toEqual([]);
    expect(await problems({ region: UNKNOWN })).toEqual([]);
    expect(await problems({ region: "eu-central-11" })).toEqual([
      '`region` must be a region that offers Lightsail, got "eu-central-11"; did you mean "eu-central-1"?',
    ]);
    expect(await problems({ region, defaultTag: "{}" })).toEqual([
      '`defaultTag` must be a known property, got an unknown name; did you mean "defaultTags"?',
    ]);
    expect(await problems({ region, insecure: '"yes"' })).toEqual([
      '`insecure` must be a boolean, got "yes"',
    ]);
  });

  it("is another one in another region", async () => {
    expect(await h.client.diffConfig({ region }, { region: "us-east-1" })).toEqual({ region: "replace" });
    expect(await h.client.diffConfig({ region }, { region, profile: "x" })).toEqual({ profile: "add" });
    expect(await h.client.diffConfig({ region, version: "1" }, { region, version: "2" })).toEqual({});
  });

  it("gives everything its default tags", async () => {
    await h.client.configure({ region, defaultTags: JSON.stringify({ tags: { owner: "me" } }) });
    const { state } = await h.make("instance", instanceInputs);
    expect(state).toMatchObject({ tags: { cluster: "ci" }, tagsAll: { cluster: "ci", owner: "me" } });
  });
});
