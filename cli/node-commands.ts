/** Commands on the nodes of a stack, by `podman exec` or by `ssh`: whichever the stack says leads there. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Captured, NodeStages, Outputs } from "./cluster.ts";
import { capture, podmanStages, readStages, tailnetPathsIn } from "./cluster.ts";
import type { Context } from "./context.ts";
import { withTemporaryFolder } from "./pulumi-environment.ts";
import { writePrivate } from "./state.ts";

type Node = Outputs["nodes"][number];
type SshTransport = Extract<Node["transport"], { readonly kind: "ssh" }>;

/** For scripts that bound each of their questions. */
const scriptTimeout = 20_000;

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
  outputs: Pick<Outputs, "nodes" | "sshPrivateKey">,
  work: (commandsOf: (node: Node) => NodeCommands) => Promise<T>,
): Promise<T> {
  if (outputs.nodes.every(({ transport }) => transport.kind === "podman")) {
    return work((node) => podmanCommands(context, node));
  }
  return withTemporaryFolder(context, async (folder) => {
    const key = join(folder, `ssh-key-${randomUUID()}`);
    const knownHosts = join(folder, `known-hosts-${randomUUID()}`);
    await writePrivate(key, outputs.sshPrivateKey ?? "");
    await writePrivate(knownHosts, outputs.nodes.map(({ transport }) => knownHost(transport)).join(""));
    return work((node) =>
      node.transport.kind === "ssh"
        ? sshCommands(context, node.name, [...sshArguments(node.transport, { key, knownHosts })])
        : podmanCommands(context, node),
    );
  });
}

function podmanCommands(context: Context, { name, transport }: Node): NodeCommands {
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

function sshCommands(context: Context, node: string, target: readonly string[]): NodeCommands {
  const ask = (command: string, timeout = 10_000, input?: string): Promise<Captured> =>
    capture(context, "ssh", ["-o", "BatchMode=yes", ...target, command], timeout, input);
  return {
    stages: async () => {
      const answer = await ask("sudo -n /usr/lib/homespan/stage");
      const unit = (name: string): string => `./homespan ssh ${node} -- journalctl -u ${name}`;
      const logs = { boot: unit("homespan-boot"), tailscale: unit("tailscaled"), k3s: unit("k3s") };
      if (answer.ok) return readStages(node, logs, answer.text);
      return {
        node,
        logs,
        stages: [],
        problem: `it does not answer by SSH: ${answer.text.split("\n").at(-1) ?? ""}`,
      };
    },
    paths: async () => tailnetPathsIn(await ask("sudo -n tailscale status --json")),
    script: (script, args) => ask(`sudo -n sh -s -- ${args.map(quoted).join(" ")}`, scriptTimeout, script),
    // ssh joins its arguments with spaces, for the shell of the user who logs in.
    shell: (command, terminal) => [
      ...(["ssh", ...(terminal ? ["-t"] : []), ...target] as const),
      command.length === 0 ? "sudo -i" : `sudo -n ${command.map(quoted).join(" ")}`,
    ],
  };
}

function sshArguments(
  { address, port, user }: SshTransport,
  { key, knownHosts }: { readonly key: string; readonly knownHosts: string },
): readonly string[] {
  const options = [
    `UserKnownHostsFile=${knownHosts}`,
    "StrictHostKeyChecking=yes",
    "IdentitiesOnly=yes",
    "ConnectTimeout=8",
    "LogLevel=ERROR",
  ];
  return [
    ...["-F", "none", "-i", key, "-p", String(port)],
    ...options.flatMap((option) => ["-o", option]),
    `${user}@${address}`,
  ];
}

/** A line of known_hosts; a port that is not 22 is part of the name. */
function knownHost(transport: Node["transport"]): string {
  if (transport.kind !== "ssh") return "";
  const { address, port, hostKey } = transport;
  return `${port === 22 ? address : `[${address}]:${String(port)}`} ${hostKey}\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
