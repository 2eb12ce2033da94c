/** Doctor's look at the hosts of virtual machines: what `up` would ask of each before it makes one. Nothing is changed there. */
import { z } from "zod";
import { notice, ok, problem } from "../../components/render/machine-check.ts";
import { type Libvirt, VirshLibvirt, hasInterface } from "../../provider/effects/libvirt.ts";
import type { Context } from "../context.ts";
import { runTool } from "../run-tool.ts";
import { settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import type { Check } from "./checks.ts";

/** The board of all virtual machines, as components/render has it. */
const board = "q35";

const networkSchema = z.object({ kind: z.enum(["network", "bridge", "macvtap"]), name: z.string() });
type Network = z.output<typeof networkSchema>;

/** As much of the configuration as it takes to look: what is wrong with it is config's to say. */
const hostSchema = z.object({
  uri: z.string(),
  pool: z.string().default("default"),
  type: z.enum(["kvm", "qemu"]).default("kvm"),
  network: networkSchema.optional(),
});
const nodeSchema = z.object({
  vm: z.object({
    host: z.string(),
    vcpus: z.number().default(0),
    memoryMiB: z.number().default(0),
    network: networkSchema.optional(),
  }),
});

/** What one host is asked for. */
export interface WantedOnHost {
  readonly name: string;
  readonly uri: string;
  readonly pool: string;
  readonly type: "kvm" | "qemu";
  readonly machines: readonly { readonly vcpus: number; readonly memoryMiB: number }[];
  readonly networks: readonly Network[];
}

/** Looks at all hosts that have a machine to run, at the same time. */
export async function examineVmHosts(context: Context, config: StackFile): Promise<Check[]> {
  const libvirt = new VirshLibvirt(runTool(context));
  const checks = await Promise.all(wantedOnHosts(config).map((wanted) => examineVmHost(libvirt, wanted)));
  return checks.flat();
}

/** What the configuration asks of each host. */
export function wantedOnHosts(config: StackFile): WantedOnHost[] {
  const nodes = ["servers", "agents"].flatMap((key) => {
    const list = settingOf(config, key);
    return Array.isArray(list) ? list.flatMap((it: unknown) => nodeSchema.safeParse(it).data ?? []) : [];
  });
  const hosts = z.record(z.string(), z.unknown()).safeParse(settingOf(config, "libvirtHosts")).data ?? {};
  return Object.entries(hosts).flatMap(([name, given]): WantedOnHost[] => {
    const host = hostSchema.safeParse(given).data;
    const machines = nodes.flatMap(({ vm }) => (vm.host === name ? [vm] : []));
    if (host === undefined || machines.length === 0) return [];
    const networks = machines.flatMap(({ network = host.network }) => network ?? []);
    const { uri, pool, type } = host;
    return [{ name, uri, pool, type, machines, networks: unique(networks) }];
  });
}

/** One host, from what keeps it from being asked at all to what is short there. */
export async function examineVmHost(libvirt: Libvirt, wanted: WantedOnHost): Promise<Check[]> {
  const { name, uri, type } = wanted;
  const named = (check: Check): Check => ({ ...check, name: `${name} ${check.name}` });
  try {
    const host = await libvirt.node(uri);
    return [
      ok("libvirt", uri),
      type === "kvm" && !(await libvirt.supports(uri, type, board))
        ? problem(
            "kvm",
            "libvirt there cannot use KVM",
            "docs/libvirt.md, step 2: /dev/kvm, the firmware, or `type: qemu`, many times slower",
          )
        : ok(type, `virtual machines of type ${type} run there`),
      room(host, wanted),
      ...processors(host, wanted),
      await pool(libvirt, wanted),
      ...(await Promise.all(wanted.networks.map((network) => reach(libvirt, uri, network)))),
    ].map(named);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [
      named(
        problem(
          "libvirt",
          message,
          `is it on, and reached from here? virsh -c ${uri} version; docs/libvirt.md, step 3`,
        ),
      ),
    ];
  }
}

function room({ memoryMiB }: { readonly memoryMiB: number }, { machines }: WantedOnHost): Check {
  const sum = machines.reduce((total, it) => total + it.memoryMiB, 0);
  const text = `${machines.length} virtual machines with ${sum} MiB, of ${memoryMiB}`;
  // Each for itself is what libvirt refuses; the sum is what begins to swap.
  if (machines.some((it) => it.memoryMiB >= memoryMiB)) {
    return problem("memory", text, "less `memoryMiB` for the machines there");
  }
  return sum < memoryMiB
    ? ok("memory", text)
    : notice(
        "memory",
        `${text}: together they want more than there is`,
        "fewer machines there, or less `memoryMiB` for each",
      );
}

function processors({ cpus }: { readonly cpus: number }, { machines }: WantedOnHost): Check[] {
  const most = Math.max(...machines.map(({ vcpus }) => vcpus));
  return most <= cpus
    ? []
    : [problem("vcpus", `a machine wants ${most} processors, of ${cpus}`, `\`vcpus\` of at most ${cpus}`)];
}

async function pool(libvirt: Libvirt, { uri, pool: name }: WantedOnHost): Promise<Check> {
  if ((await libvirt.volumes(uri, name)) !== undefined) {
    return ok("pool", `${name} takes the disks`);
  }
  return problem(
    "pool",
    `there is no active storage pool ${JSON.stringify(name)}`,
    `virsh -c ${uri} pool-start ${name}; docs/libvirt.md, step 4, makes one`,
  );
}

async function reach(libvirt: Libvirt, uri: string, { kind, name }: Network): Promise<Check> {
  if (kind === "network") {
    return (await libvirt.networkActive(uri, name))
      ? ok("network", `libvirt's network ${name} is active`)
      : problem(
          "network",
          `libvirt's network ${JSON.stringify(name)} is not active there`,
          `virsh -c ${uri} net-start ${name}`,
        );
  }
  const found = await libvirt.interfaces(uri);
  const what = kind === "bridge" ? "bridge" : "interface";
  if (found === undefined) {
    return ok("network", `${what} ${name}: this libvirt does not tell of bridges`);
  }
  return hasInterface(found, name)
    ? ok("network", `${what} ${name} is there`)
    : problem(
        "network",
        `there is no ${what} ${JSON.stringify(name)}; it has ${found.join(", ")}`,
        "docs/libvirt.md, step 5",
      );
}

function unique(networks: readonly Network[]): Network[] {
  return networks.filter(
    ({ kind, name }, index) => networks.findIndex((it) => it.kind === kind && it.name === name) === index,
  );
}
