/** Inputs of the resources of four agents on one Mac, as the components give them. */
import { limaAgentPlans, limaRoom } from "../../components/render/lima-plan.ts";
import { limaImages } from "../../components/upstream/lima.ts";
import { usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { limaProvision } from "../../components/render/lima-provision.ts";
import type { Properties } from "../../provider/server/values.ts";
import { authorizedKey, limaTexts, userData } from "../render/samples-lima.ts";
import { privateKey } from "./ssh-machine.ts";

export const publicKey = authorizedKey;
export const local = { kind: "local" };
export const plans = limaAgentPlans({
  clusterName: "home",
  blueprint: usualLimaBlueprint,
  agents: [
    { nodeName: "agent-1" },
    { nodeName: "agent-2" },
    { nodeName: "agent-3" },
    { nodeName: "agent-4", override: { cpus: 4, memoryMiB: 16_384, image: "ubuntu-25.10" } },
  ],
});
export const provision = limaProvision({ sources: limaTexts, userData, authorizedKey });

export const macInputs = {
  clusterName: "home",
  place: local,
  publicKey,
  privateKey,
  network: { kind: "user-v2" },
  startAt: "boot",
  machines: plans.map(limaRoom),
};

export const diskInputs = (index: number): Properties => {
  const { nodeName, dataDisk, dataDiskGiB } = plans[index]!;
  return { mac: local, clusterName: "home", nodeName, name: dataDisk, sizeGiB: dataDiskGiB };
};

export const vmInputs = (index: number, identity: string, vmType = "vz"): Properties => {
  const { nodeName, name, dataDisk, image, cpus, memoryMiB, diskGiB, sshPort } = plans[index]!;
  return {
    ...{ mac: local, clusterName: "home", nodeName, name, vmType, images: limaImages[image] },
    ...{ cpus, memoryMiB, diskGiB, dataDisk, identity, network: { kind: "user-v2" }, sshPort, provision },
    startAt: "boot",
  };
};
