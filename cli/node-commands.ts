/** Commands on the nodes of a stack, by `podman exec` or by `ssh`: whichever the stack says leads there. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fedoraCoreosPlaces } from "../components/render/fedora-coreos.ts";
import type { Captured, NodeStages, Outputs, StageProblem } from "./cluster.ts";
import { capture, podmanStages, readStages } from "./cluster.ts";
import type { Context } from "./context.ts";
import { cloudMachines, type MachineTransport } from "./machine-nodes.ts";
import { withTemporaryFolder } from "./pulumi-environment.ts";
import { writePrivate } from "./state.ts";
import { tailnetPathsIn } from "./tailnet-status.ts";

/** Who is commanded, and how. */
export interface CommandedNode {
  readonly name: string;
  readonly transport: Extract<Outputs["nodes"][number]["transport"], { kind: "podman" }> | MachineTransport;
}

/** The nodes of a stack, and what opens them. */
export interface CommandedNodes {
  /** The stack's name. */
  readonly stack: string;
  readonly nodes: readonly CommandedNode[];
  readonly sshPrivateKey?: string | undefined;
}

/** Where boot files are on a machine that has no other place for them. */
export const usualLibrary = "/usr/lib/homespan";

/** For scripts that bound each of their questions: tailnet-probe.sh, four times 15 s at most, after a login. */
const scriptTimeout = 90_000;

/** A program and its arguments. */
export type CommandLine = readonly [program: string, ...args: string[]];

/** How one node is commanded. */
export interface NodeCommands {
  readonly stages: () => Promise<NodeStages>;
  /** How packets get from this node to the others, by tailnet host name; empty when it cannot be asked. */
  readonly paths: () => Promise<ReadonlyMap<string, string>>;
  /** Runs a script of plain sh as root beside tailscaled; it arrives on standard input. */
  readonly script: (script: string, args: readonly string[]) => Promise<Captured>;
  /** Runs a command as root where k3s runs, or a shell. */
  readonly shell: (command: readonly string[], terminal: boolean) => CommandLine;
}

/** Runs `work` with the way to each node; what an `ssh` needs for it is in files until then. */
export async function withNodeCommands<T>(
  context: Context,
  { stack, nodes, sshPrivateKey = "" }: CommandedNodes,
  work: (commandsOf: (node: CommandedNode) => NodeCommands) => Promise<T>,
): Promise<T> {
  if (nodes.every(({ transport }) => transport.kind === "podman")) {
    return work((node) => podmanCommands(context, node));
  }
  return withTemporaryFolder(context, async (folder) => {
    const key = join(folder, `ssh-key-${randomUUID()}`);
    const knownHosts = join(folder, `known-hosts-${randomUUID()}`);
    await writePrivate(key, sshPrivateKey);
    await writePrivate(knownHosts, nodes.map(({ transport }) => knownHost(transport)).join(""));
    const inCloud = await cloudMachines(context, stack);
    return work((node) => {
      const { name, transport } = node;
      if (transport.kind !== "ssh") return podmanCommands(context, node);
      const place = { ...transport, atHome: !inCloud.has(name) };
      return sshCommands(context, stack, name, place, { key, knownHosts });
    });
  });
}

function podmanCommands(context: Context, { name, transport }: CommandedNode): NodeCommands {
  const pod = transport.kind === "podman" ? transport.container.replace(/-steward$/, "") : "";
  return {
    stages: () => podmanStages(context, name, pod),
    paths: async () =>
      tailnetPathsIn(
        await capture(
          context,
          "podman",
          ["exec", `${pod}-tailscale`, "tailscale", "status", "--json"],
          5_000,
        ),
      ),
    script: (script, args) =>
      capture(
        context,
        "podman",
        ["exec", "-i", `${pod}-tailscale`, "sh", "-s", "--", ...args],
        scriptTimeout,
        script,
      ),
    shell: (command, terminal) => [
      ...(["podman", "exec", terminal ? "-it" : "-i", `${pod}-k3s`] as const),
      ...(command.length === 0 ? ["/bin/sh"] : command),
    ],
  };
}

/** What can be done about a machine that does not answer differs. */
type PlacedTransport = MachineTransport & { readonly atHome: boolean };

function sshCommands(
  context: Context,
  stack: string,
  node: string,
  transport: PlacedTransport,
  files: SshFiles,
): NodeCommands {
  const target = sshArguments(transport, files);
  const library = transport.library ?? usualLibrary;
  const ask = (command: string, timeout = 20_000, input?: string): Promise<Captured> =>
    capture(context, "ssh", ["-o", "BatchMode=yes", ...target, command], timeout, input);
  // Where /usr is read-only, sudo looks for programs in none of the folders that ours can be in.
  const asRoot = `sudo -n env PATH=${library}/bin:$PATH`;
  return {
    stages: async () => {
      const answer = await ask(`sudo -n ${library}/stage`);
      const shell = `./homespan ssh --stack ${stack} ${node} --`;
      const unit = (name: string): string => `${shell} journalctl -u ${name}`;
      const logs = { boot: unit("homespan-boot"), tailscale: unit("tailscaled"), k3s: unit("k3s") };
      const about = { node, logs, start: `${shell} ${library}/k3s-start` };
      if (answer.ok) return begun(readStages(about, answer.text), transport, unit("homespan-layering"));
      // Without a word of its own there is the whole command line.
      const last = answer.text.split("\n").at(-1) ?? "";
      const words = /^Command failed with (exit code \d+)/.exec(last)?.[1] ?? last;
      return {
        ...about,
        stages: [],
        problem: contactProblem(words, transport, {
          shell,
          again: `./homespan recreate ${stack} --node ${node}`,
        }),
      };
    },
    paths: async () => tailnetPathsIn(await ask(`${asRoot} tailscale status --json`)),
    script: (script, args) => ask(`${asRoot} sh -s -- ${args.map(quoted).join(" ")}`, scriptTimeout, script),
    // ssh joins its arguments with spaces, for the shell of the user who logs in.
    shell: (command, terminal) => [
      ...(["ssh", ...(terminal ? ["-t"] : []), ...target] as const),
      command.length === 0 ? "sudo -i" : `sudo -n ${command.map(quoted).join(" ")}`,
    ],
  };
}

/** On Fedora CoreOS the boot sequence waits for SELinux's policy for k3s, which its first start layers. */
function begun(found: NodeStages, { library }: MachineTransport, log: string): NodeStages {
  if (library !== fedoraCoreosPlaces.library || found.stages.length > 0) return found;
  const error = "it has not started a second time yet, with SELinux's policy for k3s";
  return { ...found, problem: { stage: "policy", error, fix: `see ${log}; then run up again` } };
}

/** Why a machine says nothing of its stages, and what to do about it. */
function contactProblem(
  words: string,
  { address, port, hostKey, atHome, via }: PlacedTransport,
  { shell, again }: { readonly shell: string; readonly again: string },
): StageProblem {
  if (/command not found|No such file/.test(words)) {
    if (atHome) {
      return { stage: "user-data", error: "it has no boot files yet: nobody has delivered them" };
    }
    return {
      stage: "user-data",
      error: "it has no boot files yet: its user-data did not end, or nobody has delivered them",
      fix: `run up again; what the first boot says: ${shell} cloud-init status --long`,
    };
  }
  // What the machine's own commands end with while the data directory is missing (boot/machine/README.md).
  if (words === "exit code 75") {
    return {
      stage: "data",
      error: "its data directory is not there yet",
      fix: `run up again; is the disk attached? What the boot says: ${shell} journalctl -u homespan-boot`,
    };
  }
  const way = via === undefined ? "" : `, by way of ${via.address}`;
  const where = `${address}, port ${String(port)}${way}`;
  const error = `it does not answer by SSH at ${where}: ${words}`;
  if (/host key|Host key/.test(words)) {
    return {
      stage: "contact",
      error,
      fix: atHome
        ? "another machine answers at its address, or it was installed anew: see who has that address, then run up again, which says what to do"
        : "another machine answers at its address: look into the cloud's console, then run up again, which reads what is there",
    };
  }
  if (via !== undefined) {
    const fix = `is ${via.address} awake, and does the virtual machine run there (limactl list)? Then run up again`;
    return { stage: "contact", error, fix };
  }
  if (atHome) {
    return { stage: "contact", error, fix: "is it on, and reached from here? Then run up again" };
  }
  const never = hostKey === undefined ? `; a machine that never comes to answer: ${again}` : "";
  return {
    stage: "contact",
    error,
    fix: `is the instance running (cloud console), and this machine's public address in \`sshAllowedCidrs\`? Then run up again${never}`,
  };
}

interface SshFiles {
  readonly key: string;
  readonly knownHosts: string;
}

function sshArguments(
  { address, port, user, hostKey, via }: MachineTransport,
  files: SshFiles,
): readonly string[] {
  const { key, knownHosts } = files;
  const hop = via === undefined ? [] : ["ssh", ...sshArguments({ kind: "ssh", ...via }, files)];
  const options = [
    // For a shell, before which ssh puts an `exec` itself; what it puts in for %h and %p is the address as the hop sees it.
    ...(hop.length === 0 ? [] : [`ProxyCommand=${hop.map(quoted).join(" ")} -W %h:%p`]),
    `UserKnownHostsFile=${knownHosts}`,
    // Of a machine nobody has talked to, only questions are asked: nothing is told to it.
    `StrictHostKeyChecking=${hostKey === undefined ? "accept-new" : "yes"}`,
    "IdentitiesOnly=yes",
    // A slow machine is given as much time to greet as one that is off to show that it is there.
    "ConnectTimeout=15",
    "LogLevel=ERROR",
  ];
  return [
    ...["-F", "none", "-i", key, "-p", String(port)],
    ...options.flatMap((option) => ["-o", option]),
    `${user}@${address}`,
  ];
}

/** A line of known_hosts for each machine on the way; a port that is not 22 is part of the name. */
function knownHost(transport: CommandedNode["transport"]): string {
  if (transport.kind !== "ssh") return "";
  const { address, port, hostKey, via } = transport;
  const hop = via === undefined ? "" : knownHost({ kind: "ssh", ...via });
  if (hostKey === undefined) return hop;
  return `${hop}${port === 22 ? address : `[${address}]:${String(port)}`} ${hostKey}\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
