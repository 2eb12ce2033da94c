/**
 * How long a node of ours is from power-on to Ready beside k3s alone, in the same virtual machine one after the other: k3s alone
 * before and after it, as a machine's speed may change meanwhile.
 * Run: ./homespan test --long vm-bare
 */
import { expect, test } from "vitest";
import { note } from "../e2e/support/report.ts";
import { nodeOf, readySince } from "../e2e/support/kube.ts";
import { BareAgent } from "../vm/bare-agent.ts";
import { ClusterLab } from "../vm/cluster-lab.ts";

/** The aim is 1.5; what else runs on a machine takes from one more than from the other. */
const limit = 2;

async function bare(): Promise<number> {
  const agent = await BareAgent.start();
  try {
    return await agent.seconds();
  } finally {
    await agent.stop();
  }
}

async function ours(): Promise<number> {
  const cluster = await ClusterLab.start("vm-beside", 17944);
  try {
    // The same load in both: a server that runs. Made with the machine, it would start beside it, on the same processors.
    cluster.declareServer();
    await cluster.lab.up();
    cluster.declare({ systemDiskGiB: 4 });
    await cluster.lab.up();
    const ready = readySince(await nodeOf(cluster, "agent-1"));
    const poweredOn = await cluster.poweredOn();
    for (const [what, at] of await marks(cluster)) note(`from power-on to ${what}`, at - poweredOn / 1000);
    process.stdout.write(await endsOfK3s(cluster));
    return (ready - poweredOn) / 1000;
  } finally {
    await cluster.stop();
  }
}

/** What the machine knows of its own start, in seconds since 1970 by its clock, which is this machine's; in order. */
async function marks(cluster: ClusterLab): Promise<[string, number][]> {
  const units = "ssh homespan-boot tailscaled k3s";
  const text = await cluster.lab.script(
    `for unit in ${units}; do
       echo "the start of $unit.service=$(systemctl show --timestamp=unix --property=ActiveEnterTimestamp --value $unit.service | tr -d @)"
     done
     stat --format='%n=%Z' /opt/homespan/boot/sequence.sh /data/steward/node.conf /opt/bin/tailscaled /opt/bin/k3s`,
  );
  const found = text.split("\n").map((line): [string, number] => {
    const [what = "", at = ""] = line.split("=");
    return [what, Number(at)];
  });
  const file = JSON.parse(await cluster.lab.inside("cat", "/data/steward/stage.json")) as {
    readonly stages: readonly { readonly name: string; readonly finishedAt: string }[];
  };
  const stages = file.stages.map(({ name, finishedAt }): [string, number] => [
    `the end of stage ${name}`,
    Date.parse(finishedAt) / 1000,
  ]);
  return [...found, ...stages].sort(([, a], [, b]) => a - b);
}

/** A k3s that ended and was started again by systemd takes as long once more: how often, and what it said. */
async function endsOfK3s(cluster: ClusterLab): Promise<string> {
  const text = await cluster.lab.script(
    `times=$(systemctl show --property=NRestarts --value k3s.service)
     [ "$times" = 0 ] || { echo "k3s ended $times times"; journalctl --unit k3s --no-pager --output cat | grep -E -A 8 -m 2 '^(panic|fatal error|SIG)|Main process exited' || true; }`,
  );
  return text === "" ? "" : `    ${text.replaceAll("\n", "\n    ")}\n`;
}

test("a node is Ready in less than twice what k3s alone takes", async () => {
  const before = await bare();
  note("from power-on to Ready: k3s alone", before);
  const node = await ours();
  note("from power-on to Ready: a node of ours", node);
  const after = await bare();
  note("from power-on to Ready: k3s alone", after);
  const alone = (before + after) / 2;
  process.stdout.write(`    ratio ${(node / alone).toFixed(2)}\n`);
  expect(node / alone).toBeLessThan(limit);
});
