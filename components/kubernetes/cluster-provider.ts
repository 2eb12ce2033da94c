import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";

/**
 * Seconds for one request, of which the plugin sends two before it gives a server up. A server that was lost answers nothing at
 * all over a tailnet, so each refresh waits this long twice; the plugin's own 32 s would be more than a minute. Where there is
 * no other server to turn to, a slow one is given its time: the API's description, which is megabytes, takes one in a virtual
 * machine without KVM longer than 15 s.
 */
const requestSeconds = { oneOfSeveral: 15, alone: 60 } as const;

/**
 * The Kubernetes provider of one cluster.
 *
 * The identifier is constant: another endpoint or certificate in the kubeconfig is an update, never a reason to
 * replace every object. A server that does not answer says nothing about the objects: they stay in the state until another
 * endpoint is known. Destroying the stack asks for none of them, as they are `deletedWith` the cluster.
 */
export function clusterProvider(
  name: string,
  args: {
    readonly clusterName: string;
    readonly kubeconfig: pulumi.Output<string>;
    /** How many there are to be. */
    readonly servers: number;
  },
  options: pulumi.ResourceOptions = {},
): Provider {
  return new Provider(
    name,
    {
      kubeconfig: pulumi.secret(args.kubeconfig),
      clusterIdentifier: `homespan-${args.clusterName}`,
      skipUpdateUnreachable: true,
      kubeClientSettings: {
        timeout: args.servers === 1 ? requestSeconds.alone : requestSeconds.oneOfSeveral,
      },
    },
    options,
  );
}
