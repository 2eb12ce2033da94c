/** Nodes in virtual machines on a Mac. */
import * as pulumi from "@pulumi/pulumi";
import { LimaAgent } from "../components/lima/agent.ts";
import { LimaMac, type LimaMacArgs } from "../components/lima/lima-mac.ts";
import type { LimaOverride } from "../components/render/lima-blueprint.ts";
import { limaAgentPlans, limaRoom, type LimaAgentPlan } from "../components/render/lima-plan.ts";
import { limaUser } from "../components/upstream/lima.ts";
import type { LimaNode } from "./home-config.ts";
import type { HomeMaker, HomeParts } from "./home-hosts.ts";
import type { MacFields } from "./home-schema.ts";
import type { MadeNode, SshHopOutput } from "./made-node.ts";

export const makeLimaAgents: HomeMaker<LimaNode> = (nodes, { mac }, parts) => {
  if (mac === undefined) throw new Error("`mac` must be known where there are virtual machines of Lima's");
  const plans = limaAgentPlans({
    clusterName: parts.clusterName,
    blueprint: mac.blueprint,
    agents: nodes.map(({ name: nodeName, lima: { sshPort, ...sizes } }) => ({
      ...{ nodeName, sshPort },
      override: given(sizes),
    })),
  });
  const { clusterName, publicKey, privateKey } = parts;
  const { network, startAt, driver } = mac;
  const made = new LimaMac(
    "mac",
    {
      ...{ clusterName, publicKey, network, startAt, place: placeOf(mac) },
      privateKey: pulumi.secret(privateKey),
      ...(driver === undefined ? {} : { driver }),
      machines: plans.map(limaRoom),
    },
    {},
  );
  return nodes.flatMap((node) =>
    plans
      .filter(({ nodeName }) => nodeName === node.name)
      .map((plan) => makeAgent(node, plan, { mac: made, site: mac.site, parts })),
  );
};

interface Ground {
  readonly mac: LimaMac;
  readonly site: string;
  readonly parts: HomeParts;
}

function makeAgent(node: LimaNode, plan: LimaAgentPlan, { mac, site, parts }: Ground): MadeNode {
  const { clusterName, tailnet, publicKey, privateKey, artifacts } = parts;
  const host = new LimaAgent(node.name, {
    ...{ clusterName, site, mac, plan, tailnet, publicKey, privateKey, artifacts },
  });
  return {
    node,
    host,
    // As the Mac sees it.
    place: { address: "127.0.0.1", port: plan.sshPort, user: limaUser.name },
    ...(mac.isLocal ? {} : { via: hopTo(mac) }),
  };
}

/** What differs from the blueprint. */
function given(sizes: Omit<LimaNode["lima"], "sshPort">): LimaOverride {
  return Object.fromEntries(Object.entries(sizes).filter(([, value]) => value !== undefined));
}

function placeOf({ address, port = 22, user = "", hostKey }: MacFields): LimaMacArgs["place"] {
  if (address === undefined) return { kind: "local" };
  return { kind: "ssh", address, port, user, ...(hostKey === undefined ? {} : { hostKey }) };
}

/** Of the way to the Mac only the private key is a secret. */
function hopTo({ connection }: LimaMac): pulumi.Output<SshHopOutput> {
  return pulumi.unsecret(connection).apply((place) => {
    if (place.kind === "local")
      throw new RangeError("`mac` must be another machine than this one, got local");
    const { address, port, user, hostKey = "" } = place;
    return { address, port, user, hostKey };
  });
}
