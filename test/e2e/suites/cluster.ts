/** One server and two agents on this machine, from nothing to nothing: steps in order, one cluster. */
import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import type { PodNetwork } from "../../../components/render/pod-network.ts";
import { creation } from "../steps/creation.ts";
import { edits } from "../steps/edits.ts";
import { faults } from "../steps/faults.ts";
import { pause } from "../steps/pause.ts";
import { podNetworkSteps } from "../steps/pod-network.ts";
import { recreation } from "../steps/recreation.ts";
import { removal } from "../steps/removal.ts";
import { repetition } from "../steps/repetition.ts";
import { scaling } from "../steps/scaling.ts";
import { secrecy } from "../steps/secrecy.ts";
import { verbs } from "../steps/verbs.ts";
import { Cluster } from "../support/cluster.ts";
import { footprint } from "../support/footprint.ts";

/**
 * @param rounds how often a node is made again without its volume.
 * @param podNetwork how packets get from pod to pod
 */
export function clusterSuite(rounds: number, podNetwork: PodNetwork = "vxlan"): void {
  const settings = { agents: 2, ...(podNetwork === "vxlan" ? {} : { podNetwork }) };
  const cluster = new Cluster({ name: "e2e", apiPort: 17443, settings });
  let before: ReadonlySet<string> = new Set();

  beforeAll(async () => {
    before = await footprint(cluster.name);
  });
  afterAll(async () => {
    await cluster.cleanUp();
  });

  describe("from nothing", () => {
    creation(cluster, podNetwork);
  });

  describe("a running cluster", () => {
    beforeEach((context) => {
      context.skip(!cluster.usable, "the cluster did not come up");
    });

    describe("asked by verbs", () => {
      verbs(cluster);
    });
    describe("again", () => {
      repetition(cluster);
    });
    if (podNetwork === "routes") {
      describe("its pods' network", () => {
        podNetworkSteps(cluster);
      });
    }
    describe("edited", () => {
      edits(cluster);
    });
    describe("with a node that restarts", () => {
      pause(cluster);
    });
    describe("scaled", () => {
      scaling(cluster);
    });
    describe("hurt", () => {
      faults(cluster);
    });
    describe("with nodes made again", () => {
      recreation(cluster, rounds);
    });
    describe("searched for secrets", () => {
      secrecy(cluster);
    });
    describe("destroyed", () => {
      removal(cluster, () => before);
    });
  });
}
