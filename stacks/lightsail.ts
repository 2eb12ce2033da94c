/**
 * The lightsail stack: k3s servers, and agents if wanted, on Amazon Lightsail, with agents at home beside them, on a tailnet at
 * Tailscale or a Headscale server.
 */
import { KeyPair } from "@pulumi/aws/lightsail/keyPair.js";
import { Provider } from "@pulumi/aws/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { LightsailServer, type LightsailServerArgs } from "../components/lightsail/lightsail-server.ts";
import { sshPort } from "../components/lightsail/public-ports.ts";
import { SshKey } from "../components/machine/ssh-key.ts";
import { cloudKeyName } from "../components/render/names.ts";
import type { LastingTailnet } from "../components/shared/tailnet.ts";
import { serviceLbLabel } from "../components/upstream/k3s.ts";
import { machineArtifacts } from "./artifacts.ts";
import { homeHosts, type HomeMakers } from "./home-hosts.ts";
import type { CheckedLightsailConfig, LightsailConfig } from "./lightsail-config.ts";
import { snapshotStore } from "./lightsail-snapshots.ts";
import { machineCluster, type MachineOutputs } from "./machine-cluster.ts";
import { machineTailnet } from "./machine-tailnet.ts";
import type { MadeNode } from "./made-node.ts";
import { podRoutesOf } from "./pod-network.ts";
import type { StackMachine } from "./stack-machine.ts";
import { formatWarning } from "./warnings.ts";

export function lightsailStack(
  { config, warnings }: CheckedLightsailConfig,
  machine: StackMachine,
  makers: HomeMakers = {},
): MachineOutputs {
  for (const warning of warnings) void pulumi.log.warn(formatWarning(warning));
  const { clusterName } = config;
  const sshKey = new SshKey("ssh-key", { clusterName }, {});
  const tailnet = machineTailnet(config, machine.caCertificate);
  const provider = new Provider("aws", { region: config.region });
  const cloud = makeHosts(config, { machine, tailnet, sshKey, provider });
  const home = homeHosts(
    config.home,
    {
      ...{ clusterName, tailnet, publicKey: sshKey.publicKey, privateKey: sshKey.privateKey },
      artifacts: machineArtifacts(config.k3sVersion, machine.mirror),
      imageSigner: machine.mirror?.flatcar?.fingerprint,
      podRoutes: podRoutesOf(config),
    },
    makers,
  );
  return machineCluster(config, {
    ...{ sshKey, tailnet },
    nodes: [...cloud, ...home],
    snapshots: (identity) => snapshotStore(config, identity, provider),
    // With ingress only servers open its ports.
    serverLabels: config.ingress ? { [serviceLbLabel.key]: serviceLbLabel.value } : {},
  });
}

/** All instances start at the same time; servers come first in every list. */
function makeHosts(config: LightsailConfig, { machine, tailnet, sshKey, provider }: HostParts): MadeNode[] {
  const { clusterName, region } = config;
  const keyPair = new KeyPair(
    "key-pair",
    {
      name: cloudKeyName(clusterName),
      publicKey: sshKey.publicKey,
      tags: { "homespan.cluster": clusterName },
    },
    { provider, deleteBeforeReplace: true },
  );
  const common: Omit<LightsailServerArgs, "nodeName" | "role" | keyof LightsailPlace> = {
    clusterName,
    region,
    tailnet,
    keyPairName: keyPair.name,
    privateKey: sshKey.privateKey,
    artifacts: machineArtifacts(config.k3sVersion, machine.mirror),
    open: {
      sshCidrs: config.sshAllowedCidrs,
      ingress: config.ingress,
      extraPorts: config.extraPorts,
    },
  };
  return [...config.servers, ...config.agents].map((node) => {
    const { name: nodeName, role, availabilityZone, bundleId, blueprintId, diskGiB, snapshotTime } = node;
    const place: LightsailPlace = { availabilityZone, bundleId, blueprintId, diskGiB, snapshotTime };
    const host = new LightsailServer(
      nodeName,
      { ...common, ...place, nodeName, role },
      { providers: [provider] },
    );
    return { node, host, place: { address: host.externalAddress, port: sshPort, user: host.user } };
  });
}

/** What all hosts are made with. */
interface HostParts {
  readonly machine: StackMachine;
  readonly tailnet: LastingTailnet;
  readonly sshKey: SshKey;
  readonly provider: Provider;
}

type LightsailPlace = Pick<
  LightsailServerArgs,
  "availabilityZone" | "bundleId" | "blueprintId" | "diskGiB" | "snapshotTime"
>;
