/** What a cluster leaves on the machine that runs it: two snapshots are compared, by marks that belong to the cluster. */
import { existsSync, globSync, readFileSync, readdirSync } from "node:fs";
import { cgroupOf, environmentOf, processes } from "./processes.ts";
import { run } from "./command.ts";
import { objectsOf, podman } from "./podman.ts";

async function said(file: string, args: readonly string[]): Promise<string[]> {
  const done = await run(file, args, { mayFail: true });
  return done.code === 0 ? done.stdout.split("\n").filter((line) => line.trim() !== "") : [];
}

function cgroups(): string[] {
  const skipped = (name: string): boolean => name === "sys";
  return globSync("/sys/fs/cgroup/**/*libpod*", { exclude: skipped });
}

function files(): string[] {
  const places = [
    "/tmp",
    "/run",
    "/run/netns",
    "/run/homespan",
    "/var/tmp",
    "/var/lib/cni",
    "/etc/cni/net.d",
  ];
  return places.filter(existsSync).flatMap((place) => readdirSync(place).map((entry) => `${place}/${entry}`));
}

/** Folders that hold one entry per cluster, and are of no use without any. */
function emptyFolders(): string[] {
  return ["/run/homespan"].filter((folder) => existsSync(folder) && readdirSync(folder).length === 0);
}

/** Everything that exists now, one line each, each line starting with its kind. */
export async function footprint(cluster: string): Promise<ReadonlySet<string>> {
  const kinds: Readonly<Record<string, readonly string[]>> = {
    object: await objectsOf(cluster),
    link: (await said("ip", ["-oneline", "link", "show", "type", "bridge"])).map((line) =>
      line.replace(/^\d+: /, ""),
    ),
    address: (await said("ip", ["-oneline", "-4", "address"])).map((line) => line.replace(/^\d+: /, "")),
    route: await said("ip", ["-4", "route", "show", "table", "all"]),
    table: await said("nft", ["list", "tables"]),
    rule: (await said("iptables-save", [])).filter((line) => line.startsWith("-A ")),
    mount: readFileSync("/proc/self/mounts", "utf8").split("\n"),
    cgroup: cgroups(),
    file: files(),
    empty: emptyFolders(),
    process: processes().map(({ pid, command }) => {
      const state = /^HOMESPAN_STATE=.*$/m.exec(environmentOf(pid))?.[0] ?? "";
      return `${pid.toString()} ${command} ${state} ${cgroupOf(pid).replaceAll("\n", " ")}`;
    }),
  };
  return new Set(Object.entries(kinds).flatMap(([kind, lines]) => lines.map((line) => `${kind} ${line}`)));
}

/** Texts by which something can be recognised as this cluster's: names, ids of containers and pods, bridges. */
export async function marksOf(cluster: string, state: string): Promise<readonly string[]> {
  const filter = ["--filter", `label=homespan.cluster=${cluster}`];
  const ids = [
    ...(await podman(["ps", "--all", "--no-trunc", ...filter, "--format", "{{.ID}}"])).stdout.split("\n"),
    ...(await podman(["pod", "ps", "--no-trunc", ...filter, "--format", "{{.Id}}"])).stdout.split("\n"),
  ].filter((id) => id !== "");
  const networks = (await podman(["network", "ls", "--quiet"])).stdout
    .split("\n")
    .filter((name) => name.startsWith(`homespan-${cluster}-`));
  const bridges = await Promise.all(
    networks.map(async (name) => {
      const done = await podman(["network", "inspect", "--format", "{{.NetworkInterface}}", name]);
      return `link ${done.stdout.trim()}:`;
    }),
  );
  const names = [`homespan-${cluster}-`, `homespan_${cluster}_`, `/run/homespan/${cluster}`, state];
  // What the Kubernetes plugin leaves, and what the last cluster on the machine does.
  names.push("file /tmp/kubeconfig", "empty /run/homespan");
  return [...names, ...ids, ...bridges];
}

/** Lines of `after` that were not there before and carry a mark. The state folder itself is the user's and may stay. */
export function leftovers(
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
  marks: readonly string[],
  state: string,
): string[] {
  return [...after].filter(
    (line) => !before.has(line) && line !== `file ${state}` && marks.some((mark) => line.includes(mark)),
  );
}
