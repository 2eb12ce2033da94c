import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";

/**
 * The Kubernetes provider of one cluster.
 *
 * The identifier is constant: another endpoint or certificate in the kubeconfig is an update, never a reason to
 * replace every object. When the cluster is gone its objects are gone too, so a destroy or a refresh drops them.
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
      deleteUnreachable: true,
    },
    options,
  );
}
