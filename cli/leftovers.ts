/** What of a cluster is still on this machine, by label, and its removal. */
import { join } from "node:path";
import { socketsFolder } from "../toolchain/folders.ts";
import { capture } from "./cluster.ts";
import type { Context } from "./context.ts";
import type { Resource } from "./deployment.ts";
import { Failure } from "./errors.ts";

/** What tells a cluster's things on this machine from others'. */
export interface Traces {
  readonly cluster: string;
  readonly sites: readonly string[];
  readonly socketDirectory: string;
}

export interface Leftover {
  /** `container homespan-ci-agent-1-k3s`. */
  readonly what: string;
  /** The command that removes it; undefined for a process, which is ended by its id. */
  readonly remove: readonly string[] | undefined;
  readonly pid?: number;
}

/** Sites a cluster has when nothing tells them any more. */
const usualSites = ["cloud", "home", "wan"];

export function tracesOf(cluster: string, resources: readonly Resource[]): Traces {
  const input = (type: string, key: string): string[] =>
    resources
      .filter((resource) => resource.type === `homespan:index:${type}`)
      .map(({ inputs }) => inputs?.[key])
      .filter((value): value is string => typeof value === "string");
  return {
    cluster,
    sites: [...new Set([...input("SiteNetwork", "site"), ...usualSites])],
    socketDirectory: input("PodmanService", "socketDirectory")[0] ?? join(socketsFolder(), cluster),
  };
}

/**
 * Pods first, then what is in none, then what they used.
 *
 * @throws Failure when it cannot be found out: that is not the same as nothing.
 */
export async function findLeftovers(context: Context, traces: Traces): Promise<readonly Leftover[]> {
  const filter = ["--filter", `label=homespan.cluster=${traces.cluster}`];
  const list = async (args: readonly string[]): Promise<string[]> => {
    const text = await ask(context, traces.cluster, "podman", args);
    return text.split("\n").filter((line) => line.trim() !== "");
  };
  const [pods, containers, volumes, networks, tables] = await Promise.all([
    list(["pod", "ps", ...filter, "--format", "{{.Name}}"]),
    list(["ps", "--all", ...filter, "--format", "{{.Pod}} {{.Names}}"]),
    list(["volume", "ls", ...filter, "--format", "{{.Name}}"]),
    list(["network", "ls", ...filter, "--format", "{{.Name}}"]),
    firewallTables(context, traces),
  ]);
  return [
    ...pods.map((name) => podmanObject("pod", name, ["pod", "rm", "--force", "--time=2", name])),
    ...containers
      .flatMap(outsidePods)
      .map((name) => podmanObject("container", name, ["rm", "--force", "--time=2", name])),
    ...volumes.map((name) => podmanObject("volume", name, ["volume", "rm", "--force", name])),
    ...networks.map((name) => podmanObject("network", name, ["network", "rm", "--force", name])),
    ...tables.map((name) => ({
      what: `firewall table inet ${name}`,
      remove: ["nft", "delete", "table", "inet", name],
    })),
    ...socketProcesses(context, traces.socketDirectory).map((pid) => ({
      what: `process ${String(pid)} of ${traces.socketDirectory}`,
      remove: undefined,
      pid,
    })),
  ];
}

/** The name of a container that is in no pod, from its line `<pod> <name>`; the others go with their pods. */
function outsidePods(line: string): string[] {
  const [pod, name] = line.split(" ");
  return pod === "" && name !== undefined ? [name] : [];
}

/** Nothing where there is no such program, so nothing made with it. */
async function ask(
  context: Context,
  cluster: string,
  command: string,
  args: readonly string[],
): Promise<string> {
  const answer = await capture(context, command, args);
  if (answer.ok) return answer.text;
  if (answer.missing === true) return "";
  throw new Failure(
    `could not find out what is left of cluster ${cluster}: ${command} ${args.join(" ")}: ${answer.text}`,
  );
}

function podmanObject(kind: string, name: string, args: readonly string[]): Leftover {
  return { what: `${kind} ${name}`, remove: ["podman", ...args] };
}

/** Without root the rules are in a network namespace that goes with the last container, and to look would make it anew. */
async function firewallTables(context: Context, { cluster, sites }: Traces): Promise<string[]> {
  const { detectMachine, withoutRoot } = await import("../toolchain/machine.ts");
  if (withoutRoot(detectMachine())) return [];
  const text = await ask(context, cluster, "nft", ["list", "tables"]);
  const own = new Set(sites.map((site) => `homespan_${cluster}_${site}`.replaceAll(/[^a-zA-Z0-9]/g, "_")));
  return text
    .split("\n")
    .flatMap((line) => /^table inet (\S+)$/.exec(line.trim())?.[1] ?? [])
    .filter((name) => own.has(name));
}

/** Podman services whose socket is in the cluster's folder. */
function socketProcesses({ machine }: Context, socketDirectory: string): number[] {
  return machine
    .processes()
    .filter(
      ({ words }) =>
        words.includes("system") && words.some((word) => word.includes(`unix://${socketDirectory}/`)),
    )
    .map(({ pid }) => pid);
}

/** Removes them and returns what could not be removed. */
export async function removeLeftovers(
  context: Context,
  traces: Traces,
  leftovers: readonly Leftover[],
): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { what, remove, pid } of leftovers) {
    context.console.info(`removing what was left over: ${what}`);
    if (pid !== undefined) {
      try {
        context.machine.endProcess(pid);
      } catch {
        // It ended by itself meanwhile.
      }
      continue;
    }
    const [command = "podman", ...args] = remove ?? [];
    const answer = await capture(context, command, args, 60_000);
    if (!answer.ok && !/no such|not found/i.test(answer.text)) failed.push(`${what}: ${answer.text}`);
  }
  await context.machine.removeFolder(traces.socketDirectory);
  return failed;
}
