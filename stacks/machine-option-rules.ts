/** Which k3s options a stack of machines hands through, and what it says of those it owns. */
import { k3sOptions } from "../components/upstream/k3s-options.ts";
import type { Problem } from "./grammar.ts";
import { freeArguments, freeOptions } from "./option-rules.ts";
import { onePodCidr } from "./pod-network.ts";
import type { Rule } from "./schema-check.ts";

type Options = Readonly<Record<string, unknown>>;

interface Fields {
  readonly extraConfig: { readonly server: Options; readonly agent: Options };
  readonly snapshots: { readonly bucket: { readonly kind: string } };
  readonly podNetwork: "vxlan" | "routes";
}

export const machineOptionRules: readonly Rule<Fields>[] = [
  { needs: ["extraConfig", "snapshots"], check: freeExtraConfig },
  { needs: ["extraConfig"], check: ({ extraConfig }) => freeArguments(extraConfig) },
  { needs: ["podNetwork", "extraConfig"], check: onePodCidr },
];

/** With a bucket of the stack's own, k3s's options for one are the topology's. */
function freeExtraConfig({ extraConfig, snapshots }: Fields): Problem[] {
  const own = snapshots.bucket.kind === "none" ? ownOptions : { ...bucketOptions, ...ownOptions };
  return freeOptions(extraConfig, own);
}

const bucketOptions = Object.fromEntries(
  Object.keys(k3sOptions)
    .filter((name) => name === "etcd-s3" || name.startsWith("etcd-s3-"))
    .map((name) => [name, "use `snapshots.bucket`, or its kind none"]),
);

/** Where these stacks' keys differ from what other stacks say of an option. */
export const ownOptions: Readonly<Record<string, string>> = {
  "cluster-init": "the datastore is always embedded etcd",
  "datastore-endpoint": "the datastore is always embedded etcd",
  "disable-agent": "every server is a node, taint it with `servers[n].taints`",
  "https-listen-port": "the API is reached over the tailnet on its usual port",
  "kubelet-arg": "use `servers[n].kubeletArgs`",
  "node-label": "use `servers[n].labels`",
  "node-taint": "use `servers[n].taints`",
  "protect-kernel-defaults": "the boot sequence gives the kernel the settings that the kubelet wants",
  "etcd-disable-snapshots": "use `snapshots`",
  "etcd-snapshot-schedule-cron": "use `snapshots.schedule`",
  "etcd-snapshot-retention": "use `snapshots.keep`",
};
