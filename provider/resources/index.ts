/** All resources of this provider. */
import type { Effects } from "../effects/effects.ts";
import type { Resource } from "../server/resource.ts";
import { clusterAnchor } from "./cluster-anchor.ts";
import { clusterIdentity } from "./cluster-identity.ts";
import { existingMachine } from "./existing-machine.ts";
import { firstConfiguration } from "./first-configuration.ts";
import { headscaleKey } from "./headscale-key.ts";
import { headscalePolicy } from "./headscale-policy.ts";
import { headscaleUser } from "./headscale-user.ts";
import { headscaleServer } from "./headscale-server.ts";
import { installedMachine } from "./installed-machine.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { limaDisk } from "./lima-disk.ts";
import { limaMac } from "./lima-mac.ts";
import { limaTurns } from "./lima-turns.ts";
import { limaVm } from "./lima-vm.ts";
import { machineBoot } from "./machine-boot.ts";
import { membership } from "./membership.ts";
import { nodeConfig } from "./node-config.ts";
import { podmanService } from "./podman-service.ts";
import { registryServer } from "./registry-server.ts";
import { serverTurns } from "./server-turns.ts";
import { siteNetwork } from "./site-network.ts";
import { sshKey } from "./ssh-key.ts";
import { stewardLogin } from "./steward-login.ts";
import { stewardNode } from "./steward-node.ts";
import { stewardVolume } from "./steward-volume.ts";
import { tailnetDevice } from "./tailnet-device.ts";
import { tailnetOperator } from "./tailnet-operator.ts";
import { tailnetPolicyOrigin } from "./tailnet-policy-origin.ts";
import { vmImage } from "./vm-image.ts";
import { vmPlace } from "./vm-place.ts";
import { volumeIdentity } from "./volume-identity.ts";

export function allResources(effects: Effects): readonly Resource[] {
  const turns = serverTurns(effects);
  return [
    clusterAnchor(),
    clusterIdentity(effects),
    existingMachine(effects),
    firstConfiguration(),
    headscaleKey(effects),
    headscalePolicy(effects),
    headscaleServer(effects),
    headscaleUser(effects),
    installedMachine(effects),
    kubeconfig(effects),
    limaDisk(effects),
    limaMac(effects),
    limaVm(effects, limaTurns()),
    machineBoot(effects, turns),
    membership(effects),
    nodeConfig(effects, turns),
    podmanService(effects),
    registryServer(effects),
    siteNetwork(effects),
    sshKey(),
    stewardLogin(effects, turns),
    stewardNode(effects, turns),
    stewardVolume(effects),
    tailnetDevice(effects),
    tailnetOperator(effects),
    tailnetPolicyOrigin(effects),
    vmImage(effects),
    vmPlace(effects),
    volumeIdentity(effects),
  ];
}
