import * as pulumi from "@pulumi/pulumi";
import type { JoinConf } from "../render/join-conf.ts";
import type { Host } from "../shared/host.ts";
import type { ClusterAccess, JoinArgs } from "./join-args.ts";
import { membership, nodeConfig, type RoleConfig } from "./join-resources.ts";
import type { Membership } from "./membership.ts";
import type { NodeConfig } from "./node-config.ts";

/** Makes a k3s agent of a host. */
export class K3sAgent extends pulumi.ComponentResource {
  readonly host: Host;
  readonly config: NodeConfig;
  readonly #name: string;
  readonly #args: JoinArgs;

  constructor(name: string, args: JoinArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:k3s:K3sAgent", name, {}, options);
    this.#name = name;
    this.#args = args;
    this.host = args.host;
    this.config = nodeConfig(name, args, roleConfig(args), this);
    this.registerOutputs({ nodeName: args.host.nodeName });
  }

  /** Declares the agent a member of the cluster that `access` leads to. */
  admit(access: ClusterAccess): Membership {
    return membership(
      this.#name,
      this.#args,
      { role: "agent", etcd: false, config: this.config },
      access,
      this,
    );
  }
}

function roleConfig(args: JoinArgs): RoleConfig {
  const { host, identity } = args;
  const conf: JoinConf = { role: "agent", mode: "join", servers: args.servers, tlsSans: [] };
  return {
    k3s: {
      role: "agent",
      nodeName: host.nodeName,
      paths: host.paths,
      restrictions: host.restrictions,
      kubeletArgs: args.kubeletArgs ?? [],
      extraConfig: args.extraConfig ?? {},
      hardening: args.hardening,
      podRoutes: args.podRoutes,
    },
    fresh: conf,
    initialised: conf,
    secretFiles: { [`${host.paths.secrets}/agent-token`]: identity.agentToken },
  };
}
