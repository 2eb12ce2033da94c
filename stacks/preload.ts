/**
 * What every stack's program loads, for a process that is started before there is a run (`runtime.options.preload` in
 * Pulumi.yaml). Nothing in it may read configuration, nor create the SDK's store, which reads it: a generated
 * package such as @pulumi/kubernetes does, to register its types.
 */
import "./lean-sdk.ts";
import "./config.ts";
import "../components/k3s/k3s-cluster.ts";
