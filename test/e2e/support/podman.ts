/** What the machine's Podman knows of one cluster. */
import { run } from "./command.ts";
import type { Finished } from "./command.ts";

export async function podman(
  args: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<Finished> {
  return run("podman", args, options);
}

export async function exec(container: string, command: readonly string[], input?: string): Promise<string> {
  const flags = input === undefined ? [] : ["--interactive"];
  const done = await podman(["exec", ...flags, container, ...command], input === undefined ? {} : { input });
  return done.stdout;
}

async function lines(args: readonly string[]): Promise<string[]> {
  return (await podman(args)).stdout.split("\n").filter((line) => line !== "");
}

/** Every object that carries the cluster's prefix or label: `container NAME`, `pod NAME`, `volume NAME`, `network NAME`. */
export async function objectsOf(cluster: string): Promise<string[]> {
  const prefix = `homespan-${cluster}-`;
  const label = `label=homespan.cluster=${cluster}`;
  const found = new Set<string>();
  const kinds = [
    { kind: "container", list: ["ps", "--all"], format: "{{.Names}}" },
    { kind: "pod", list: ["pod", "ps"], format: "{{.Name}}" },
    { kind: "volume", list: ["volume", "ls"], format: "{{.Name}}" },
    { kind: "network", list: ["network", "ls"], format: "{{.Name}}" },
  ];
  for (const { kind, list, format } of kinds) {
    const named = (await lines([...list, "--format", format])).filter((name) => name.startsWith(prefix));
    const labelled = await lines([...list, "--filter", label, "--format", format]);
    for (const name of [...named, ...labelled]) found.add(`${kind} ${name}`);
  }
  return [...found].sort();
}

export interface ContainerState {
  readonly id: string;
  readonly pid: number;
  readonly conmonPid: number;
  readonly running: boolean;
}

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Pid: number; readonly ConmonPid?: number; readonly Running: boolean };
  readonly NetworkSettings?: {
    readonly Networks?: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
}

async function inspected(container: string): Promise<Inspected> {
  const [first] = JSON.parse((await podman(["container", "inspect", container])).stdout) as Inspected[];
  if (first === undefined) throw new Error(`no container ${container}`);
  return first;
}

export async function stateOf(container: string): Promise<ContainerState> {
  const { Id, State } = await inspected(container);
  return { id: Id, pid: State.Pid, conmonPid: State.ConmonPid ?? 0, running: State.Running };
}

/** The address of a container, of a pod's infra container say, in its one Podman network. */
export async function underlayAddress(container: string): Promise<string> {
  const networks = Object.values((await inspected(container)).NetworkSettings?.Networks ?? {});
  const address = networks[0]?.IPAddress;
  if (address === undefined || address === "") throw new Error(`${container} has no address`);
  return address;
}

/** Where a volume's files are on this machine. */
export async function mountpointOf(volume: string): Promise<string> {
  return (await podman(["volume", "inspect", "--format", "{{.Mountpoint}}", volume])).stdout.trim();
}
