/** A node in a virtual machine: it starts, joins over the tailnet, and made anew it is the same node on the same data. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { domainObjections } from "../../../components/render/domain-policy.ts";
import { ClusterLab } from "../../vm/cluster-lab.ts";
import { type KubeNode, holds, nodeOf } from "../support/kube.ts";
import { objectsOf } from "../support/podman.ts";
import { allPairsTalk, applyProbe } from "../support/probe.ts";
import { note, timed } from "../support/report.ts";
import { devicesOf } from "../support/tailnet.ts";
import { eventually } from "../support/wait.ts";

const name = "vm-e2e";
const nodes = ["agent-1", "server-1"];
const minute = 60_000;

export function vmSuite(): void {
  let cluster: ClusterLab;
  let usable = false;

  beforeAll(async () => {
    cluster = await ClusterLab.start(name, 17943);
  }, 30 * minute);
  afterAll(async () => {
    await cluster.stop();
  });

  /** From the start of its QEMU to a Node that is Ready and was started later than the one before. */
  const noteReady = async (step: string, formerBoot: string | undefined): Promise<void> => {
    const ready = await eventually(`agent-1 is Ready, ${step}`, 1200, async () => {
      const node = await nodeOf(cluster, "agent-1");
      if (!holds(node, "Ready") || bootId(node) === formerBoot) throw new Error("it is not");
      return Date.now();
    });
    note(`from power-on to Ready: ${step}`, (ready - (await cluster.poweredOn())) / 1000);
  };

  const up = async (step: string, formerBoot?: string): Promise<void> => {
    const bringing = timed(`up: ${step}`, () => cluster.lab.up());
    const watching = noteReady(step, formerBoot);
    watching.catch(() => undefined);
    await bringing;
    await watching;
  };

  test(
    "joins over the tailnet",
    async () => {
      cluster.declare({ systemDiskGiB: 4 });
      const giving = cluster.giveImages();
      giving.catch(() => undefined);
      await up("a server on Podman and an agent in a virtual machine");
      await giving;
      const node = await nodeOf(cluster, "agent-1");
      expect(node.metadata.labels).toMatchObject({ "node-type": "flatcar", "homespan.dev/site": "home" });
      expect(node.status.addresses).toContainEqual({
        type: "InternalIP",
        address: expect.stringMatching(/^100\./) as string,
      });
      usable = true;
    },
    20 * minute,
  );

  describe("the node", () => {
    beforeEach((context) => {
      context.skip(!usable, "the node did not come up");
    });

    test("is of nothing but what the policy allows", async () => {
      expect(domainObjections(await cluster.lab.libvirtd.virsh("dumpxml", `${name}-agent-1`))).toEqual([]);
    });

    test(
      "has pods that talk to pods on the server, and they to them",
      async () => {
        await applyProbe(cluster);
        await allPairsTalk(cluster, nodes, 300);
      },
      6 * minute,
    );

    test(
      "made anew, it is the same node with its data, its images and its one device",
      async () => {
        const before = await nodeOf(cluster, "agent-1");
        const devices = (await devicesOf(cluster)).map(({ id, given_name }) => ({ id, given_name }));
        const stored = await cluster.storedImages();
        expect(stored).toMatch(/busybox/);
        await cluster.lab.inside("sh", "-c", "echo kept >/data/file && sync");

        cluster.declare({ systemDiskGiB: 5 });
        await up("the agent made anew", bootId(before));

        const after = await nodeOf(cluster, "agent-1");
        expect(after.metadata.uid).toBe(before.metadata.uid);
        expect(after.status.addresses).toEqual(before.status.addresses);
        expect(await cluster.lab.inside("cat", "/data/file")).toBe("kept");
        // Their archives are gone: these come from the store on the data disk.
        expect(await cluster.storedImages()).toBe(stored);
        expect((await devicesOf(cluster)).map(({ id, given_name }) => ({ id, given_name }))).toEqual(devices);
        expect(devices.map(({ given_name }) => given_name).sort()).toEqual([
          `${name}-agent-1`,
          `${name}-server-1`,
        ]);
        await allPairsTalk(cluster, nodes, 300);
      },
      20 * minute,
    );

    test(
      "gets another version of what it began with, and is no other machine",
      async () => {
        const before = await nodeOf(cluster, "agent-1");
        const place = "http://192.0.2.1/k3s";
        cluster.declare({ systemDiskGiB: 5 }, [place]);
        const { ok, text, changes } = await cluster.lab.stack.up();
        expect(ok, text).toBe(true);
        expect(Object.keys(changes).sort(), text).toEqual(["unchanged", "updated"]);
        expect(changes["updated"], text).toBe(1);
        expect(bootId(await nodeOf(cluster, "agent-1"))).toBe(bootId(before));
        expect(await cluster.lab.inside("cat", "/data/artifacts.conf")).toContain(place);
        expect(await cluster.lab.inside("cat", "/etc/homespan/artifacts.conf")).not.toContain(place);
      },
      10 * minute,
    );

    test(
      "changes nothing in another run, and leaves nothing after the last",
      async () => {
        const { ok, text, changes } = await cluster.lab.stack.up();
        expect(ok, text).toBe(true);
        expect(Object.keys(changes), text).toEqual(["unchanged"]);
        await timed("destroy", () => cluster.remove());
        expect(await objectsOf(name)).toEqual([]);
        expect(await cluster.lab.libvirtd.domains()).toEqual([]);
        expect(await cluster.lab.libvirtd.volumes()).toEqual([]);
      },
      10 * minute,
    );
  });
}

function bootId({ status }: KubeNode): string {
  return status.nodeInfo.bootID;
}
