import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";

/**
 * The Kubernetes provider of one cluster.
 *
 * The identifier is constant: another endpoint or certificate in the kubeconfig is an update, never a reason to
 * replace every object. A server that does not answer says nothing about the objects: they stay in the state until another
 * endpoint is known. Destroying the stack asks for none of them, as they are `deletedWith` the cluster.
 */
export function clusterProvider(
  name: string,
  args: { readonly clusterName: string; readonly kubeconfig: pulumi.Output<string> },
  options: pulumi.ResourceOptions = {},
): Provider {
  return new Provider(
    name,
    {
      kubeconfig: pulumi.secret(args.kubeconfig),
      clusterIdentifier: `homespan-${args.clusterName}`,
      skipUpdateUnreachable: true,
    },
    options,
  );
}
