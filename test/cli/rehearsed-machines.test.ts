/** What a rehearsal takes from the virtual machines on libvirt of a configuration, and what it changes of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { InputError } from "../../cli/errors.ts";
import { libvirtOrder, ownMachines, rehearsedMachines } from "../../cli/rehearsed-machines.ts";
import { applySettings, parseStackFile, settingOf, type StackFile } from "../../cli/settings.ts";
import type { HomeLibvirt } from "../../rehearsal/rehearsal.ts";

const committed = (): StackFile => {
  const name = "Pulumi.homelab.yaml";
  return parseStackFile(readFileSync(join(import.meta.dirname, "../..", name), "utf8"), name);
};
const file = (settings: readonly string[]): StackFile => applySettings({ config: {} }, settings);
const home: HomeLibvirt = {
  ...{ uri: "qemu+unix:///system?socket=/s", type: "qemu", bridge: "podman3" },
  image: { sha256: "5".repeat(64), mirror: "http://10.89.3.254/flatcar/0a1b" },
  addresses: { "vm-1": "10.89.3.253", "vm-2": "10.89.3.252" },
  memoryHardLimit: false,
};

test("without a virtual machine nothing is asked and nothing is changed", () => {
  const agents = file(['agents=[{"name":"agent-1","lima":{}}]', 'libvirtHosts={"nas":{}}']);
  expect(rehearsedMachines(agents)).toBeUndefined();
  expect(ownMachines(agents, undefined)).toEqual([]);
});

test("of the committed file: address, host, image and limit, and nothing else", () => {
  const config = committed();
  const machines = rehearsedMachines(config);
  expect(machines).toEqual({ nodes: ["vm-1", "vm-2"], pools: ["default"] });
  expect(libvirtOrder(machines!, "lightsail")).toEqual({
    pools: ["default"],
    machines: { "lightsail-vm-1": "vm-1", "lightsail-vm-2": "vm-2" },
  });
  const own = applySettings(config, ownMachines(config, home));
  const [before, after] = [config, own].map((of) => ({
    hosts: settingOf(of, "libvirtHosts") as Record<string, object>,
    flatcar: settingOf(of, "flatcar") as object,
    agents: settingOf(of, "agents") as { name: string; vm?: object }[],
  }));
  expect(after!.hosts).toEqual({
    nas: {
      ...before!.hosts["nas"],
      ...{ uri: home.uri, type: "qemu", network: { kind: "bridge", name: "podman3" } },
    },
  });
  expect(after!.flatcar).toEqual({
    ...before!.flatcar,
    ...{ sha256: home.image.sha256, mirrors: [home.image.mirror] },
  });
  expect(after!.agents).toEqual(
    before!.agents.map(({ vm, ...node }) => {
      if (vm === undefined) return node;
      return { ...node, vm: { ...vm, address: home.addresses[node.name], memoryHardLimit: false } };
    }),
  );
  const rest = (of: StackFile): object => ({
    ...of.config,
    ...{ "homespan:libvirtHosts": 0, "homespan:flatcar": 0, "homespan:agents": 0 },
  });
  expect(rest(own)).toEqual(rest(config));
});

test("servers too, by the names that the stack gives them, in pools of their own", () => {
  const config = file([
    'servers=[{"vm":{"host":"nas","address":"192.168.1.41","network":{"kind":"macvtap","name":"enp1s0"}}}]',
    'agents=[{"lima":{}},{"vm":{"host":"nas"}}]',
    'libvirtHosts={"nas":{"pool":"fast"},"other":{},"odd":{"pool":7}}',
  ]);
  expect(rehearsedMachines(config)).toEqual({ nodes: ["server-1", "agent-2"], pools: ["default", "fast"] });
  const addresses = { "server-1": "10.89.3.253", "agent-2": "10.89.3.252" };
  const own = ownMachines(config, { ...home, addresses, memoryHardLimit: true });
  expect(own.map((setting) => setting.split("=")[0])).toEqual(["libvirtHosts", "servers", "agents"]);
  const after = applySettings(config, own);
  expect(settingOf(after, "servers")).toEqual([{ vm: { host: "nas", address: "10.89.3.253" } }]);
  // What is missing is the stack's to miss: an address here, the image above.
  expect(settingOf(after, "agents")).toEqual([{ lima: {} }, { vm: { host: "nas" } }]);
});

test("a device of the host's is refused with the setting that takes its place", () => {
  const config = file([
    'agents=[{"name":"vm-1","vm":{"host":"nas","vcpus":2,"dataDevice":"/dev/disk/by-id/x"}}]',
  ]);
  expect(() => rehearsedMachines(config)).toThrow(InputError);
  expect(() => rehearsedMachines(config)).toThrow(
    '`agents[0].vm.dataDevice` must be a disk of the pool to be rehearsed, got "/dev/disk/by-id/x"; use: --set \'agents[0].vm={"host":"nas","vcpus":2,"dataDiskGiB":8}\'',
  );
});
