import { execa } from "execa";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { Machine, project } from "./machine.ts";

const settings = {
  "kernel/keys/root_maxbytes": "25000000",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/panic": "10",
  "kernel/panic_on_oops": "1",
  "vm/overcommit_memory": "1",
  "vm/panic_on_oom": "0",
};

async function machine(): Promise<Machine> {
  return (await new Machine().seeded().tailscale()).joinFiles();
}

describe.concurrent("the kernel's settings", () => {
  test("are what the kubelet wants before k3s starts, now and at the next start", async ({ expect }) => {
    using node = await machine();
    // Right already: it is not written again.
    const right = join(node.root, "proc/sys/vm/panic_on_oom");
    const before = statSync(right, { bigint: true }).mtimeNs;
    expect(await node.boot()).toMatchObject({ exitCode: 0 });
    for (const [key, value] of Object.entries(settings)) {
      expect([key, node.read(`proc/sys/${key}`).trim()]).toEqual([key, value]);
    }
    expect(statSync(right, { bigint: true }).mtimeNs).toBe(before);
    const lines = node
      .read("etc/sysctl.d/90-homespan.conf")
      .split("\n")
      .filter((line) => line.includes("="));
    expect(lines).toEqual(
      Object.entries(settings).map(([key, value]) => `${key.replaceAll("/", ".")}=${value}`),
    );
  });

  test("that cannot be had are an error of the stage k3s, which does not start", async ({ expect }) => {
    using node = await machine();
    const file = join(node.root, "proc/sys/vm/overcommit_memory");
    rmSync(file);
    mkdirSync(file);
    await node.boot();
    expect(node.stages()["k3s"]).toMatchObject({
      state: "failed",
      error: "the kernel's vm.overcommit_memory must be 1 for the kubelet, is unknown and cannot be set",
    });
    expect(node.acts()).not.toContain("start k3s");
  });
});

test.concurrent(
  "another text of what k3s or its API server reads at the start is another configuration, which restarts k3s",
  async ({ expect }) => {
    using node = new Machine();
    node.joinFiles();
    const checksum = async (): Promise<string> => {
      const script = '. "$1"; config_checksum; printf %s "$CONFIG_CHECKSUM"';
      const args = ["-c", script, "dash", join(project, "boot/config.sh")];
      return (await execa("dash", args, { env: { BOOT_DATA: node.data } })).stdout;
    };
    const seen = [await checksum()];
    for (const name of ["admission", "audit-policy", "registries", "admission", "registries"]) {
      node.put(`data/etc/rancher/k3s/${name}.yaml`, `text: ${seen.length.toString()}\n`);
      seen.push(await checksum());
      expect(await checksum()).toBe(seen.at(-1));
    }
    expect(new Set(seen).size).toBe(6);
    for (const sum of seen) expect(sum).toMatch(/^[0-9a-f]{64}$/);
  },
);
