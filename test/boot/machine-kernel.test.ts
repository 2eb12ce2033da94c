import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { Machine } from "./machine.ts";

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

test.concurrent("k3s is restarted once for another text of what its API server reads", async ({ expect }) => {
  using node = await machine();
  node.put("data/etc/rancher/k3s/admission.yaml", "kind: AdmissionConfiguration\n");
  await node.boot();
  for (const name of ["admission", "audit-policy"]) {
    node.put(`data/etc/rancher/k3s/${name}.yaml`, "another: text\n");
    await node.boot();
    expect(node.acts()).toContain("restart k3s");
    await node.boot();
    expect(node.acts()).not.toContain("restart k3s");
  }
  // Delivered before k3s's first start, its directory is still for root alone.
  expect(statSync(join(node.data, "rancher/k3s/server")).mode & 0o777).toBe(0o700);
});
