import type * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import type { HostPaths } from "../render/host-paths.ts";
import type { Restrictions } from "../render/restrictions.ts";
import { k3sPorts } from "../upstream/k3s.ts";
import type { Tailnet } from "./tailnet.ts";

/**
 * A machine that boots, enters the tailnet and can be commanded: all a join knows of it.
 *
 * The promise of every host: k3s is there, reads /etc/rancher/k3s/config.yaml and starts when that file exists; the
 * host itself never writes it.
 */
export interface Host {
  /** Name of the node in the cluster, unique in it. */
  readonly nodeName: string;
  /** The place the machine stands in; machines of one site share a network. */
  readonly site: string;
  /** Kind of machine: value of the labels `homespan.dev/substrate` and `node-type`. */
  readonly substrate: string;
  readonly tailnet: Tailnet;
  /** Name in the tailnet, without its domain. */
  readonly hostName: string;
  /** Name in the tailnet, with its domain: what other nodes find this one by. */
  readonly fullyQualifiedName: string;
  /** Tag the machine logged in with. */
  readonly tag: string;
  readonly restrictions: Restrictions;
  /**
   * Address under which the world reaches the node, for `node-external-ip`.
   *
   * @default its address in the tailnet
   */
  readonly externalAddress?: pulumi.Output<string>;
  /** Where the machine shows the join's files to k3s. */
  readonly paths: HostPaths;
  /** How files and commands reach the machine. */
  readonly transport: pulumi.Output<Transport>;
  /** Id of what holds the node's data: another id means another identity under the same name. */
  readonly identity: pulumi.Output<string>;
  /** Where the API of a server on this machine answers from here, for each published port. */
  readonly publishedApi: PublishedApi | undefined;
  /**
   * How long the node may take to be Ready once it has been given its configuration.
   *
   * @default 300
   */
  readonly readySeconds?: number | undefined;
  /** The machine itself: what is on it needs no deleting of its own when it goes. */
  readonly machine: pulumi.Resource;
}

/** The API server of one node, reachable from where Pulumi runs, if need be through the cluster's `proxyUrl`. */
export interface PublishedApi {
  readonly address: string;
  readonly port: number;
  readonly url: string;
}

/** Of a server that publishes its API over the tailnet alone: nothing opens the port on any other address. */
export function tailnetApi(address: string): PublishedApi {
  const port = k3sPorts.apiServer;
  return { address, port, url: `https://${address}:${String(port)}` };
}
