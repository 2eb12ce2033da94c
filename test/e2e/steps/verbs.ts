/** What the wrapper's verbs say of a cluster that runs, and of one node whose k3s is stopped. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { changesNothing } from "../support/cluster.ts";
import type { Cluster } from "../support/cluster.ts";
import { run } from "../support/command.ts";
import { holds, podsOf } from "../support/kube.ts";
import { exec, mountpointOf } from "../support/podman.ts";
import { timed } from "../support/report.ts";
import { allStagesDone, stagesOf } from "../support/stages.ts";
import { eventually } from "../support/wait.ts";

const nodes = ["agent-1", "agent-2", "server-1"];
/** The verbs that it does not matter to are asked while its k3s starts again. */
const stopped = "agent-2";
const script = (name: string): string[] => [`/usr/lib/homespan/${name}`];

interface Told {
  readonly healthy: boolean;
  readonly nodes: readonly { readonly node: string }[];
}

async function doctor(cluster: Cluster): Promise<Told & { readonly code: number }> {
  const { code, stdout } = await cluster.homespan("doctor", ["--json"], { mayFail: true });
  return { code, ...(JSON.parse(stdout) as Told) };
}

const ready = (node: string): object => ({ node, stage: "ready", state: "done" });

/** Its pods ended with its k3s: throws until each has containers of after `moment`, milliseconds since 1970, and is Ready. */
async function podsStartedAfter(cluster: Cluster, node: string, moment: number): Promise<void> {
  const pods = (await podsOf(cluster, undefined)).filter(
    ({ spec, status }) => spec.nodeName === node && status.phase !== "Succeeded",
  );
  const started = (pod: (typeof pods)[number]): boolean =>
    (pod.status.containerStatuses ?? []).every(
      ({ state }) => Date.parse(state.running?.startedAt ?? "") >= moment,
    );
  const old = pods.filter((pod) => !holds(pod, "Ready") || !started(pod));
  expect(old.map(({ metadata }) => metadata.name)).toEqual([]);
  expect(pods).not.toEqual([]);
}

export function verbs(cluster: Cluster): void {
  const folder = mkdtempSync(join(tmpdir(), "homespan-verbs-"));
  let stoppedAt = Number.NaN;

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test("doctor names the node whose k3s was stopped, with its stage and what to do", async () => {
    const steward = cluster.container(stopped, "steward");
    await exec(steward, script("k3s-stop"));
    try {
      await eventually(`the k3s of ${stopped} is stopped`, 60, async () => {
        const stages = await stagesOf(cluster, stopped);
        expect(stages.find(({ name }) => name === "k3s")?.state).toBe("waiting");
      });
      // Kubernetes tells of whole seconds.
      stoppedAt = Math.floor(Date.now() / 1000) * 1000;
      const fix = `start it: podman exec ${steward} ${script("k3s-start").join(" ")}`;
      const error = "stopped on purpose; k3s-start starts it";
      const expected = nodes.map((node) =>
        node === stopped ? { node, stage: "k3s", state: "waiting", error, fix } : ready(node),
      );
      await eventually(`doctor names ${stopped}`, 60, async () => {
        expect(await doctor(cluster)).toMatchObject({ code: 1, healthy: false, nodes: expected });
      });
    } finally {
      await exec(steward, script("k3s-start"));
    }
  });

  test("kubeconfig writes a file for its owner alone, with which kubectl lists the nodes", async () => {
    const file = join(folder, "kubeconfig.yaml");
    await cluster.homespan("kubeconfig", ["--write", file]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const args = [`--kubeconfig=${file}`, "--request-timeout=20s", "get", "nodes", "--output=name"];
    const { stdout } = await run("kubectl", args, { env: await cluster.environment() });
    expect(stdout.trim().split("\n").sort()).toEqual(nodes.map((node) => `node/${node}`));
  });

  test("ssh runs a command on a node, prints what it prints and ends as it does", async () => {
    const words = ["ssh", "--stack", cluster.name, "agent-1", "--", "sh", "-c", "hostname; exit 7"];
    const { code, stdout } = await cluster.wrapper(words, { mayFail: true, timeoutSeconds: 300 });
    expect({ code, stdout }).toEqual({ code: 7, stdout: "agent-1\n" });
  });

  test("render shows what a node has: every file that is no secret is the same there", async () => {
    const node = "agent-1";
    const out = join(folder, node);
    const words = ["render", node, cluster.name, "--out", out, "--json"];
    const { files } = JSON.parse((await cluster.wrapper(words, { timeoutSeconds: 300 })).stdout) as {
      readonly files: string[];
    };
    const rendered = (path: string): string => readFileSync(join(out, path), "utf8");
    // Left out is what is in secrets/, the join tokens: render never shows more of them than that they are secret. The key for the
    // tailnet is not on the node any more, since it has logged in.
    const compared = files.filter((path) => !path.startsWith("secrets/"));
    // A file that is not known before an `up` would be left out; on a cluster that runs each of them is.
    expect(compared).toEqual(
      expect.arrayContaining([
        "boot/ca.pem",
        "etc/rancher/k3s/config.yaml",
        "etc/rancher/k3s/config.yaml.d/05-registration.yaml",
        "join.conf",
        "steward/children/bootstrapper.args",
        "steward/children/k3s.args",
        "steward/children/tailscale.args",
        "steward/node.conf",
      ]),
    );
    const data = await mountpointOf(cluster.volume(node));
    const there = (path: string): string => readFileSync(join(data, path), "utf8");
    for (const path of compared) expect(rendered(path), path).toBe(there(path));
    const token = there("secrets/agent-token").trim();
    expect(token).not.toBe("");
    expect(files.filter((path) => rendered(path).includes(token))).toEqual([]);
    // Which of its two forms a node has depends on when it was made; an agent's are the same.
    expect(rendered("join.conf.initialised")).toBe(rendered("join.conf"));
  });

  test("doctor finds every node ready once that k3s was started again, and preview nothing to change", async () => {
    await timed("a k3s that was stopped runs again, with all pods of its node", async () => {
      await allStagesDone(cluster, stopped, 120);
      await eventually(`the pods on ${stopped} run again`, 90, () =>
        podsStartedAfter(cluster, stopped, stoppedAt),
      );
    });
    // The bootstrapper looks every 25 s, and may have met a Node that was not Ready again yet.
    await eventually("doctor finds every node ready", 60, async () => {
      const told = await doctor(cluster);
      expect(told).toMatchObject({ code: 0, healthy: true });
      expect(told.nodes).toEqual(nodes.map(ready));
    });
    const changes = await timed("preview by the wrapper", () => cluster.wrapperPreview());
    expect(changes).toSatisfy(changesNothing);
    expect(changes["same"]).toBeGreaterThan(10);
  });
}
