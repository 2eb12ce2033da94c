/**
 * `up` from nothing with warm caches until every node is Ready and the smoke pods run, then `destroy`, against k3d with the
 * same k3s, node count and Deployment. Runs alternate, so that the machine's mood hits both.
 */
import { HomespanCluster } from "./support/homespan.ts";
import { K3dCluster } from "./support/k3d.ts";
import { secondsOf } from "./support/command.ts";
import { median, progress, publish, roundsAsked, spread, table } from "./support/table.ts";
import { smoke, smokeManifest } from "./support/workload.ts";

const agents = 2;
const disable = ["traefik", "servicelb", "metrics-server", "local-storage"];
const rounds = roundsAsked();
const ours = new HomespanCluster("bench", [`agents=${agents.toString()}`, "apiPort=18443"]);
const peer = new K3dCluster();
const times = { up: [] as number[], destroy: [] as number[], create: [] as number[], remove: [] as number[] };
let workload = "";

async function createPeer(): Promise<void> {
  await peer.create(agents, disable);
  await peer.kubectl(["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"]);
  await peer.kubectl(["apply", "-f", "-"], workload);
  const { namespace, deployment } = smoke;
  await peer.kubectl(["rollout", "status", "-n", namespace, `deployment/${deployment}`, "--timeout=120s"]);
}

async function measureOurs(): Promise<void> {
  times.up.push((await ours.up()).seconds);
  if (workload === "") workload = await smokeManifest(ours);
  times.destroy.push((await ours.destroy()).seconds);
}

async function measurePeer(): Promise<void> {
  times.create.push(await secondsOf(createPeer));
  times.remove.push((await peer.remove()).seconds);
}
try {
  await peer.prepare();
  for (let round = 1; round <= rounds; round += 1) {
    progress(`round ${round.toString()} of ${rounds.toString()}: homespan`);
    await measureOurs();
    progress(`round ${round.toString()} of ${rounds.toString()}: k3d`);
    await measurePeer();
  }
} finally {
  await ours.cleanUp();
  await peer.cleanUp();
}

const head = ["", "seconds, median (runs)", "ratio to k3d"];
publish(
  "up",
  table(head, [
    ["`./homespan up ci`", spread(times.up), (median(times.up) / median(times.create)).toFixed(2)],
    ["k3d", spread(times.create), "1"],
  ]),
);
publish(
  "destroy",
  table(head, [
    [
      "`./homespan destroy ci`",
      spread(times.destroy),
      (median(times.destroy) / median(times.remove)).toFixed(2),
    ],
    ["k3d", spread(times.remove), "1"],
  ]),
);
