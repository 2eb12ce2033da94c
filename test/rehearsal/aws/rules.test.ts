/** What the stand-in for aws refuses, one row for each rule: at check as the plugin does, else at create as the service does. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Properties } from "../../../provider/server/values.ts";
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

type TypeName = keyof typeof types;

const port = portInputs.portInfos[0]!;
const portsWith = (...ports: readonly Properties[]) => ({ instanceName: "ci-server-1", portInfos: ports });
const instanceWith = (change: Properties) => ({ ...instanceInputs, ...change });
const diskWith = (change: Properties) => ({ ...diskInputs, ...change });
const addOn = { type: "AutoSnapshot", snapshotTime: "06:00", status: "Enabled" };
const manyTags = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, ""]));

let h: AwsHarness;
beforeAll(async () => {
  h = await AwsHarness.start();
});
afterAll(async () => {
  await h.end();
});

describe("check refuses", () => {
  const rows: readonly (readonly [string, TypeName, Properties, string])[] = [
    [
      "an unknown property",
      "instance",
      instanceWith({ bundelId: "x" }),
      '`bundelId` must be a known property, got an unknown name; did you mean "bundleId"?',
    ],
    ["a wrong type", "disk", diskWith({ sizeInGb: "20" }), '`sizeInGb` must be a number, got "20"'],
    [
      "a missing property",
      "staticIpAttachment",
      { staticIpName: "ip" },
      "`instanceName` must be a string, got nothing",
    ],
    [
      "a tag that is no text",
      "instance",
      instanceWith({ tags: { n: 1 } }),
      "`tags.n` must be a string, got 1",
    ],
    [
      "a zone of another region",
      "instance",
      instanceWith({ availabilityZone: "us-east-1a" }),
      '`availabilityZone` must be within the same region as provider region: eu-central-1, got "us-east-1a"',
    ],
    [
      "an instance name of one character",
      "instance",
      instanceWith({ name: "a" }),
      "`name` must be at least 2 long",
    ],
    [
      "an instance name that starts with a dash",
      "instance",
      instanceWith({ name: "-a1" }),
      "`name` must begin with an alphanumeric character",
    ],
    [
      "an instance name with a space",
      "instance",
      instanceWith({ name: "a b" }),
      "`name` must contain only alphanumeric characters, underscores, hyphens, and dots",
    ],
    [
      "a disk name that starts with a digit",
      "disk",
      diskWith({ name: "1data" }),
      "`name` must begin with an alphabetic character",
    ],
    ["half a gigabyte", "disk", diskWith({ sizeInGb: 8.5 }), "`sizeInGb` must be an int, got 8.5"],
    [
      "an unknown add-on",
      "instance",
      instanceWith({ addOn: { ...addOn, type: "Backup" } }),
      '`addOn.type` must be one of "AutoSnapshot", "StopInstanceOnIdle", got "Backup"',
    ],
    [
      "a snapshot time without minutes",
      "instance",
      instanceWith({ addOn: { ...addOn, snapshotTime: "6" } }),
      "`addOn.snapshotTime` must be in HH:00 format",
    ],
    [
      "an add-on without status",
      "instance",
      instanceWith({ addOn: { type: "AutoSnapshot", snapshotTime: "06:00" } }),
      "`addOn.status` must be one of",
    ],
    ["no ports", "ports", portsWith(), "`portInfos` must be at least 1 long"],
    [
      "an unknown protocol",
      "ports",
      portsWith({ ...port, protocol: "sctp" }),
      '`portInfos[0].protocol` must be one of "tcp", "udp", "all", "icmp", "icmpv6", got "sctp"',
    ],
    [
      "a protocol in capitals",
      "ports",
      portsWith({ ...port, protocol: "TCP" }),
      "`portInfos[0].protocol` must be one of",
    ],
    [
      "a port above 65535",
      "ports",
      portsWith({ ...port, toPort: 65536 }),
      "`portInfos[0].toPort` must be at most 65535, got 65536",
    ],
    [
      "a code of ICMP below 0, which the plugin does not know",
      "ports",
      portsWith({ ...port, protocol: "icmp", fromPort: 8, toPort: -1 }),
      "`portInfos[0].toPort` must be at least 0, got -1",
    ],
    [
      "an address without a length",
      "ports",
      portsWith({ ...port, cidrs: ["203.0.113.7"] }),
      '`portInfos[0].cidrs[0]` must be the address of a network in CIDR notation, got "203.0.113.7"',
    ],
    [
      "a network with bits of a host",
      "ports",
      portsWith({ ...port, cidrs: ["203.0.113.7/24"] }),
      "`portInfos[0].cidrs[0]` must be the address of a network",
    ],
    [
      "a length above 32",
      "ports",
      portsWith({ ...port, cidrs: ["203.0.113.0/33"] }),
      "`portInfos[0].cidrs[0]` must be the address of a network",
    ],
    [
      "an IPv6 network with bits of a host",
      "ports",
      portsWith({ ...port, ipv6Cidrs: ["2001:db8::1/64"] }),
      "`portInfos[0].ipv6Cidrs[0]` must be the address of a network",
    ],
    [
      "an IPv6 network in another notation",
      "ports",
      portsWith({ ...port, ipv6Cidrs: ["2001:DB8::/32"] }),
      "`portInfos[0].ipv6Cidrs[0]` must be the address of a network",
    ],
    [
      "an unknown property of a port",
      "ports",
      portsWith({ ...port, from: 1 }),
      "`portInfos[0].from` must be a known property",
    ],
    [
      "a bucket name with capitals, for its key",
      "accessKey",
      { bucketName: "Bucket" },
      "`bucketName` must be a bucket's name",
    ],
    [
      "two names for a key pair",
      "keyPair",
      { name: "a", namePrefix: "b" },
      "`name` must be left out beside `namePrefix`, got both",
    ],
    ["a PGP key", "keyPair", { pgpKey: "x" }, "`pgpKey` must be left out"],
    [
      "a bucket to be deleted by a word",
      "bucket",
      { name: "ci-x", bundleId: "small_1_0", forceDelete: "yes" },
      '`forceDelete` must be a boolean, got "yes"',
    ],
  ];
  it.each(rows)("%s", async (_, type, inputs, message) => {
    const { problems } = await h.client.check(types[type], inputs);
    expect(problems.map((problem) => problem.includes(message))).toContain(true);
    expect(problems.join("").includes("\n")).toBe(false);
  });

  it("no good inputs", async () => {
    const good: readonly (readonly [TypeName, Properties])[] = [
      ["instance", instanceWith({ addOn, name: "1-a.b_c" })],
      ["disk", diskInputs],
      [
        "ports",
        portsWith(port, { ...port, cidrs: ["0.0.0.0/0"], ipv6Cidrs: ["::/0", "2001:db8::/32", "::1/128"] }),
      ],
      ["staticIp", {}],
      ["keyPair", { namePrefix: "ci-", publicKey }],
      ["bucket", { bundleId: "small_1_0", region }],
    ];
    for (const [type, inputs] of good) {
      expect((await h.client.check(types[type], inputs)).problems).toEqual([]);
    }
  });

  it("unknown types and functions, in one line", async () => {
    await expect(h.client.check("aws:lightsail/lb:Lb", {})).rejects.toThrow(
      '`type` must be a resource of the stand-in for aws, got "aws:lightsail/lb:Lb"',
    );
    await expect(h.client.invoke("aws:index/getRegion:getRegion")).rejects.toThrow(
      "`function` must be one of the stand-in for aws, which has none, got aws:index/getRegion:getRegion",
    );
  });
});

describe("create refuses", () => {
  let own: AwsHarness;
  beforeEach(async () => {
    own = await AwsHarness.start();
    return () => own.end();
  });

  const invalid = (operation: string, message: string) =>
    new RegExp(
      `operation error Lightsail: ${operation}, https response error StatusCode: 400, RequestID: [0-9a-f-]{36}, InvalidInputException: ${message}$`,
    );
  const missing = (operation: string, message: string) =>
    new RegExp(
      `operation error Lightsail: ${operation}, https response error StatusCode: 404, RequestID: [0-9a-f-]{36}, NotFoundException: ${message}$`,
    );

  const bundleNames = "The specified bundle does not exist in this region: ";
  const rows: readonly (readonly [
    string,
    TypeName,
    Properties,
    RegExp,
    ((h: AwsHarness) => Promise<unknown>)?,
  ])[] = [
    [
      "a zone the region does not have",
      "instance",
      instanceWith({ availabilityZone: `${region}z` }),
      invalid("CreateInstances", `The specified Availability Zone does not exist in this region: ${region}z`),
    ],
    [
      "an unknown bundle",
      "instance",
      instanceWith({ bundleId: "huge_3_0" }),
      invalid("CreateInstances", `${bundleNames}huge_3_0`),
    ],
    [
      "a bundle of another region",
      "instance",
      instanceWith({ bundleId: "medium_3_1" }),
      invalid("CreateInstances", `${bundleNames}medium_3_1`),
    ],
    [
      "a bundle of most regions in one with its own",
      "instance",
      instanceWith({ region: "ap-south-1", availabilityZone: "ap-south-1a" }),
      invalid("CreateInstances", `${bundleNames}medium_3_0`),
    ],
    [
      "an unknown blueprint",
      "instance",
      instanceWith({ blueprintId: "debian_99" }),
      invalid("CreateInstances", "The specified blueprint does not exist in this region: debian_99"),
    ],
    [
      "an unknown key pair",
      "instance",
      instanceWith({ keyPairName: "nobody" }),
      missing("CreateInstances", "The KeyPair does not exist: nobody"),
    ],
    [
      "an IP address type of other bundles",
      "instance",
      instanceWith({ ipAddressType: "ipv6" }),
      invalid("CreateInstances", "The IP address type ipv6 is not supported by the bundle"),
    ],
    [
      "user-data of 16 KB and a byte",
      "instance",
      instanceWith({ userData: "x".repeat(16 * 1024 + 1) }),
      invalid("CreateInstances", "User data is limited to 16384 bytes"),
    ],
    [
      "51 tags",
      "instance",
      instanceWith({ tags: manyTags }),
      invalid("CreateInstances", "A resource has at most 50 tags"),
    ],
    [
      "a tag of AWS",
      "instance",
      instanceWith({ tags: { "aws:x": "" } }),
      invalid("CreateInstances", "aws: prefixed tag names are not allowed: aws:x"),
    ],
    [
      "an instance's name again",
      "instance",
      instanceInputs,
      invalid("CreateInstances", "Some names are already in use: ci-server-1"),
      (it) => it.make("instance", instanceInputs),
    ],
    [
      "an instance's name for a static IP",
      "staticIp",
      { name: "ci-server-1" },
      invalid("AllocateStaticIp", "Some names are already in use: ci-server-1"),
      (it) => it.make("instance", instanceInputs),
    ],
    [
      "more than 20 vCPUs",
      "instance",
      instanceWith({ name: "third", bundleId: "2xlarge_3_0" }),
      invalid(
        "CreateInstances",
        "You have reached the quota of 20 vCPUs in eu-central-1: this instance would make it 24",
      ),
      async (it) => {
        await it.make("instance", instanceWith({ name: "first", bundleId: "2xlarge_3_0" }));
        await it.make("instance", instanceWith({ name: "second", bundleId: "2xlarge_3_0" }));
      },
    ],
    [
      "a name the service does not take",
      "staticIp",
      { name: "a b" },
      invalid("AllocateStaticIp", "a b is not a valid resource name.*"),
    ],
    [
      "a sixth static IP",
      "staticIp",
      { name: "ip6" },
      invalid("AllocateStaticIp", "You have reached the quota of 5 static IPs in eu-central-1"),
      async (it) => {
        for (const name of ["ip1", "ip2", "ip3", "ip4", "ip5"]) await it.make("staticIp", { name });
      },
    ],
    [
      "a static IP for an instance that is not there",
      "staticIpAttachment",
      { staticIpName: "ip1", instanceName: "ci-server-1" },
      missing("AttachStaticIp", "The Instance does not exist: ci-server-1"),
      (it) => it.make("staticIp", { name: "ip1" }),
    ],
    [
      "a static IP that is not there",
      "staticIpAttachment",
      { staticIpName: "ip1", instanceName: "ci-server-1" },
      missing("AttachStaticIp", "The StaticIp does not exist: ip1"),
    ],
    [
      "a second static IP for an instance",
      "staticIpAttachment",
      { staticIpName: "ip2", instanceName: "ci-server-1" },
      invalid("AttachStaticIp", "The instance ci-server-1 already has a static IP: ip1"),
      async (it) => {
        await it.make("instance", instanceInputs);
        for (const name of ["ip1", "ip2"]) await it.make("staticIp", { name });
        await it.make("staticIpAttachment", { staticIpName: "ip1", instanceName: "ci-server-1" });
      },
    ],
    [
      "a static IP that another instance has",
      "staticIpAttachment",
      { staticIpName: "ip1", instanceName: "other" },
      invalid("AttachStaticIp", "The static IP ip1 is already attached to the instance ci-server-1"),
      async (it) => {
        await it.make("instance", instanceInputs);
        await it.make("instance", instanceWith({ name: "other" }));
        await it.make("staticIp", { name: "ip1" });
        await it.make("staticIpAttachment", { staticIpName: "ip1", instanceName: "ci-server-1" });
      },
    ],
    [
      "ports of an instance that is not there",
      "ports",
      portInputs,
      missing("PutInstancePublicPorts", "The Instance does not exist: ci-server-1"),
    ],
    [
      "a range that ends before it starts",
      "ports",
      portsWith({ ...port, fromPort: 23 }),
      invalid("PutInstancePublicPorts", "The first port of a range must not be above the last one: 23-22"),
    ],
    [
      "IPv6 among the IPv4 networks",
      "ports",
      portsWith({ ...port, cidrs: ["::/0"] }),
      invalid("PutInstancePublicPorts", "cidrs are IPv4 addresses or ranges: ::/0"),
    ],
    [
      "IPv4 among the IPv6 networks",
      "ports",
      portsWith({ ...port, ipv6Cidrs: ["0.0.0.0/0"] }),
      invalid("PutInstancePublicPorts", "ipv6Cidrs are IPv6 addresses or ranges: 0.0.0.0/0"),
    ],
    [
      "an unknown alias",
      "ports",
      portsWith({ ...port, cidrListAliases: ["home"] }),
      invalid("PutInstancePublicPorts", "The only alias currently supported is lightsail-connect: home"),
    ],
    [
      "a disk below 8 GB",
      "disk",
      diskWith({ sizeInGb: 7 }),
      invalid("CreateDisk", "A disk has 8 to 16000 GB: 7"),
    ],
    [
      "a disk in a zone the region does not have",
      "disk",
      diskWith({ availabilityZone: `${region}q` }),
      invalid("CreateDisk", `The specified Availability Zone does not exist in this region: ${region}q`),
    ],
    [
      "a disk's name again",
      "disk",
      diskInputs,
      invalid("CreateDisk", "Some names are already in use: ci-server-1-data"),
      (it) => it.make("disk", diskInputs),
    ],
    [
      "a disk that is not there",
      "diskAttachment",
      attach({}),
      missing("AttachDisk", "The Disk does not exist: ci-server-1-data"),
      (it) => it.make("instance", instanceInputs),
    ],
    [
      "a disk for an instance that is not there",
      "diskAttachment",
      attach({}),
      missing("AttachDisk", "The Instance does not exist: ci-server-1"),
      (it) => it.make("disk", diskInputs),
    ],
    [
      "a disk of another zone",
      "diskAttachment",
      attach({}),
      invalid(
        "AttachDisk",
        "The disk ci-server-1-data is in eu-central-1b and the instance ci-server-1 in eu-central-1a: both must be in the same Availability Zone",
      ),
      async (it) => {
        await it.make("instance", instanceInputs);
        await it.make("disk", diskWith({ availabilityZone: `${region}b` }));
      },
    ],
    [
      "a path that is no disk's",
      "diskAttachment",
      attach({ diskPath: "/dev/sdf" }),
      invalid("AttachDisk", "The disk path must be /dev/xvdf to /dev/xvdz: /dev/sdf"),
      nodeWithDisk,
    ],
    [
      "a path in use",
      "diskAttachment",
      attach({ diskName: "other" }),
      invalid("AttachDisk", "The disk path /dev/xvdf is already in use on the instance ci-server-1"),
      async (it) => {
        await nodeWithDisk(it);
        await it.make("disk", diskWith({ name: "other" }));
        await it.make("diskAttachment", attach({}));
      },
    ],
    [
      "a disk that is attached",
      "diskAttachment",
      attach({ diskPath: "/dev/xvdg" }),
      invalid("AttachDisk", "The disk ci-server-1-data is already attached to the instance ci-server-1"),
      async (it) => {
        await nodeWithDisk(it);
        await it.make("diskAttachment", attach({}));
      },
    ],
    [
      "a key that is not RSA",
      "keyPair",
      { publicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHdGxMBHt1eVuTJhiJWDfPmhKFbmnjVOaL0hZUYrsBdN" },
      invalid(
        "ImportKeyPair",
        "The public key must be an RSA key in OpenSSH format, base64-encoded \\(ssh-rsa AAAA...\\)",
      ),
    ],
    [
      "a key that is not base64",
      "keyPair",
      { publicKey: "ssh-rsa AAAA%%%" },
      invalid("ImportKeyPair", "The public key must be an RSA key.*"),
    ],
    [
      "a key pair's name again",
      "keyPair",
      { name: "ci", publicKey },
      invalid("ImportKeyPair", "Some names are already in use: ci"),
      (it) => it.make("keyPair", { name: "ci", publicKey }),
    ],
    [
      "a bucket name with a dot",
      "bucket",
      { name: "ci.snapshots", bundleId: "small_1_0" },
      invalid("CreateBucket", "ci.snapshots is not a valid bucket name"),
    ],
    [
      "an unknown bucket bundle",
      "bucket",
      { name: "ci-snapshots", bundleId: "tiny_1_0" },
      invalid("CreateBucket", "The specified bucket bundle does not exist: tiny_1_0"),
    ],
    [
      "a bucket name somebody has",
      "bucket",
      { name: "ci-snapshots", bundleId: "small_1_0" },
      invalid("CreateBucket", "The requested bucket name is not available: ci-snapshots"),
      makeBucket,
    ],
    [
      "a key of a bucket that is not there",
      "accessKey",
      { bucketName: "ci-snapshots" },
      missing("CreateBucketAccessKey", "The Bucket does not exist: ci-snapshots"),
    ],
    [
      "a third key of a bucket",
      "accessKey",
      { bucketName: "ci-snapshots" },
      invalid(
        "CreateBucketAccessKey",
        "The bucket ci-snapshots has 2 access keys already, the most there can be",
      ),
      async (it) => {
        await makeBucket(it);
        for (let n = 0; n < 2; n++) await it.make("accessKey", { bucketName: "ci-snapshots" });
      },
    ],
  ];
  for (const [name, type, inputs, message, before] of rows) {
    it(name, async () => {
      await before?.(own);
      const books = await own.account.books.read();
      await expect(own.make(type, inputs)).rejects.toThrow(message);
      expect(await own.account.books.read()).toEqual(books);
    });
  }
});

function attach(change: Properties) {
  return { diskName: "ci-server-1-data", instanceName: "ci-server-1", diskPath: "/dev/xvdf", ...change };
}

async function nodeWithDisk(it: AwsHarness): Promise<void> {
  await it.make("instance", instanceInputs);
  await it.make("disk", { ...diskInputs, availabilityZone: zone });
}

function makeBucket(it: AwsHarness) {
  return it.make("bucket", { name: "ci-snapshots", bundleId: "small_1_0" });
}
