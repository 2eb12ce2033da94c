/** The homelab stack: machines at home, as a cluster of their own without any cloud, or as agents of another stack's. */
import * as pulumi from "@pulumi/pulumi";
import { SshKey } from "../components/machine/ssh-key.ts";
import { machineArtifacts } from "./artifacts.ts";
import { homeHosts, type HomeMakers } from "./home-hosts.ts";
import type { OwnClusterConfig } from "./homelab-config.ts";
import { machineCluster, type MachineOutputs } from "./machine-cluster.ts";
import { givenStore } from "./machine-snapshots.ts";
import { machineTailnet } from "./machine-tailnet.ts";
import { podRoutesOf } from "./pod-network.ts";
import type { StackMachine } from "./stack-machine.ts";
import { formatWarning, type Warning } from "./warnings.ts";

/** A cluster of its own: servers and agents at home. */
export function homelabStack(
  { own: config, warnings }: { readonly own: OwnClusterConfig; readonly warnings: readonly Warning[] },
  machine: StackMachine,
  makers: HomeMakers,
): MachineOutputs {
  for (const warning of warnings) void pulumi.log.warn(formatWarning(warning));
  const { clusterName, snapshots } = config;
  const sshKey = new SshKey("ssh-key", { clusterName }, {});
  const tailnet = machineTailnet(config, machine.caCertificate);
  const nodes = homeHosts(
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
    ...{ sshKey, tailnet, nodes },
    snapshots: () => (snapshots.bucket.kind === "s3" ? givenStore(snapshots.bucket, config) : undefined),
  });
}
