import * as pulumi from "@pulumi/pulumi";
import { hostAddress } from "../render/address.ts";
import { registryName, renderRegistryConfig, type RegistryMirrors } from "../render/registry.ts";
import { RegistryServer } from "./registry-server.ts";

export interface ClusterRegistryArgs {
  /** Cluster whose nodes pull from it. */
  readonly clusterName: string;
  /** Network it lives in; every site must reach it. */
  readonly network: { readonly networkName: pulumi.Input<string>; readonly subnet: pulumi.Input<string> };
  /** Port on 127.0.0.1 of this machine where it is pushed to. */
  readonly port: number;
  /** Image of the registry. */
  readonly image: string;
  /**
   * Number of its address in its subnet: fixed, so that nodes find it again after it was re-created.
   *
   * @default 11, beside the control server's 10
   */
  readonly addressNumber?: number;
}

/**
 * An image registry of one cluster on this machine: pushed to at 127.0.0.1, pulled from by every node under the same name.
 * Its images can be pushed again, so the volume is not protected and goes with the stack.
 */
export class ClusterRegistry extends pulumi.ComponentResource {
  /** What stands in front of an image's name, in a push and in a pod: `localhost:5001`. */
  readonly imagePrefix: string;
  /** For the nodes' joins. */
  readonly mirrors: pulumi.Output<RegistryMirrors>;

  constructor(name: string, args: ClusterRegistryArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:registry:ClusterRegistry", name, {}, options);
    this.imagePrefix = registryName(args.port);
    const server = new RegistryServer(
      `${name}-server`,
      {
        clusterName: args.clusterName,
        networkName: args.network.networkName,
        address: pulumi
          .output(args.network.subnet)
          .apply((subnet) => hostAddress(subnet, args.addressNumber ?? 11)),
        hostPort: args.port,
        image: args.image,
        config: renderRegistryConfig(),
      },
      { parent: this },
    );
    this.mirrors = server.endpoint.apply((endpoint) => ({ [this.imagePrefix]: [endpoint] }));
    this.registerOutputs({ imagePrefix: this.imagePrefix });
  }
}
