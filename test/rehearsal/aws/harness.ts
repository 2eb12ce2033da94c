/** The stand-in for aws in this process, with fake machines and books in a folder of its own. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Account, openAccount } from "../../../rehearsal/clouds/aws/account.ts";
import { awsPackage } from "../../../rehearsal/clouds/aws/config.ts";
import { awsResources } from "../../../rehearsal/clouds/aws/resources/index.ts";
import type { FaultOrder } from "../../../rehearsal/clouds/shared/faults.ts";
import type { World } from "../../../rehearsal/world.ts";
import { type RunningServer, serve } from "../../../provider/server/serve.ts";
import type { Properties } from "../../../provider/server/values.ts";
import { FakeMachines } from "../shared/fake-machines.ts";
import { PluginClient } from "../shared/plugin-client.ts";

export const types = {
  keyPair: "aws:lightsail/keyPair:KeyPair",
  instance: "aws:lightsail/instance:Instance",
  ports: "aws:lightsail/instancePublicPorts:InstancePublicPorts",
  staticIp: "aws:lightsail/staticIp:StaticIp",
  staticIpAttachment: "aws:lightsail/staticIpAttachment:StaticIpAttachment",
  disk: "aws:lightsail/disk:Disk",
  diskAttachment: "aws:lightsail/disk_attachment:Disk_attachment",
  bucket: "aws:lightsail/bucket:Bucket",
  accessKey: "aws:lightsail/bucketAccessKey:BucketAccessKey",
} as const;

export const region = "eu-central-1";
export const zone = `${region}a`;

export const publicKey =
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/FHY6x5PR/kHgepheLsTYWFASOWyc8RsfdY1tzVsTMuJYdj3ZjhE3qyUV2ZBSS3EaGSpaERWgL+xreWJZTFVEgNenvJEYQGop/BZC/Yc83EDNAdu/pS+jvi8a7XtjElCvgIszmUSt0TKGOV/RsX2m7KKV8+5Vog0NYbj1zj0MAm4LHHPiitL+jN5nv5yGmCWJSLioOHbsqayW+5GvVrow8w/1ttpDrce4frDRCJvL4DzLhFyBbYfU9nhe9eHmj+ya3DOX8XdlVL0GWKdfktF5c4Lp/k+RHvMc0KZ3Z0mG+sRpx1cd7pJy62/rGD5Br/mr50xUXSWBvLKDGXbUwf/9 ci";

export const instanceInputs = {
  name: "ci-server-1",
  availabilityZone: zone,
  blueprintId: "debian_12",
  bundleId: "medium_3_0",
  userData: "#!/bin/sh\ntrue\n",
  tags: { cluster: "ci" },
};
export const diskInputs = { name: "ci-server-1-data", availabilityZone: zone, sizeInGb: 20 };
const port22 = { fromPort: 22, toPort: 22, protocol: "tcp", cidrs: ["203.0.113.7/32"] };
export const portInputs = { instanceName: "ci-server-1", portInfos: [port22] };

export class AwsHarness {
  readonly folder: string;
  readonly machines: FakeMachines;
  readonly account: Account;
  /** How long the plugin waited, again and again. */
  readonly pauses: number[];
  readonly #server: RunningServer;
  readonly client: PluginClient;

  private constructor(
    parts: Pick<AwsHarness, "folder" | "account" | "machines" | "pauses">,
    server: RunningServer,
  ) {
    this.folder = parts.folder;
    this.account = parts.account;
    this.machines = parts.machines;
    this.pauses = parts.pauses;
    this.#server = server;
    this.client = new PluginClient(server.port);
  }

  /** After `former`: a restart of the plugin. */
  static async start(former?: AwsHarness): Promise<AwsHarness> {
    const own = former?.folder ?? (await newFolder());
    const machines = former?.machines ?? new FakeMachines();
    const pauses: number[] = [];
    const pause = (milliseconds: number): Promise<void> => {
      pauses.push(milliseconds);
      return Promise.resolve();
    };
    // Time passes with every look, so that no look at a machine serves two.
    let tick = Date.parse("2026-11-21T12:00:00Z");
    const now = (): Date => new Date((tick += 10_000));
    const account = { ...openAccount(own, machines), now, pause };
    const server = await serve(awsResources(account), "7.48.0", awsPackage(account.settings));
    const harness = new AwsHarness({ folder: own, account, machines, pauses }, server);
    await harness.client.configure({ region, skipCredentialsValidation: "false" });
    return harness;
  }

  fault(...orders: FaultOrder[]): Promise<void> {
    return this.account.faults.add(...orders);
  }

  make(type: keyof typeof types, news: Properties) {
    return this.client.create(types[type], news);
  }

  async stop(): Promise<void> {
    this.client.close();
    this.#server.stop();
    await Promise.resolve();
  }

  async end(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A folder with a world in it. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "homespan-aws-"));
  const world: World = {
    world: "ci",
    region,
    network: { name: "homespan-ci-cloud", subnet: "172.26.3.0/24", gateway: "172.26.3.1" },
    publicRange: "198.18.3.0/24",
    hosts: {},
  };
  await writeFile(join(folder, "world.json"), JSON.stringify(world));
  return folder;
}
