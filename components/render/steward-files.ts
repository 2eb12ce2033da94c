import { k3sPaths } from "../upstream/k3s.ts";
import { tailscalePaths } from "../upstream/tailscale.ts";
import { podName, tailnetHostName } from "./names.ts";
import { podmanLimitFlags, type Restrictions } from "./restrictions.ts";

/** What a steward is told about its node and about the containers it starts. */
export interface StewardFiles {
  readonly clusterName: string;
  readonly nodeName: string;
  readonly volumeName: string;
  readonly loginServer: string;
  /** True when `boot/ca.pem` comes with the key, as the public CAs do not know the login server. */
  readonly ownAuthority: boolean;
  readonly images: { readonly steward: string; readonly tailscale: string; readonly k3s: string };
  readonly restrictions: Restrictions;
  /** Directory of image archives on this machine, for nodes that reach no image registry. */
  readonly imagesDirectory: string | undefined;
}

/** Directory in every child that holds the boot files, the children's entrypoints among them. */
const bootSeen = "/usr/lib/homespan";
const bootVolume = `--volume=@DATA@/boot:${bootSeen}:ro`;

/** The host layer's files, path below /data -> content. The form is described in images/steward/README.md. */
export function renderStewardFiles(node: StewardFiles): Record<string, string> {
  return {
    "steward/node.conf": nodeConf(node),
    "steward/children/tailscale.args": lines(tailscaleArguments(node)),
    "steward/children/k3s.args": lines(k3sArguments(node)),
    "steward/children/bootstrapper.args": lines(bootstrapperArguments(node)),
  };
}

function nodeConf(node: StewardFiles): string {
  return lines([
    `NODE=${node.nodeName}`,
    `POD=${podName(node.clusterName, node.nodeName)}`,
    `VOLUME=${node.volumeName}`,
    `TAILNET_HOSTNAME=${tailnetHostName(node.clusterName, node.nodeName)}`,
    `LOGIN_SERVER=${node.loginServer}`,
  ]);
}

/** The part all children share: one pod, and labels by which everything of a cluster or a node is found. */
function everyChild(node: StewardFiles): string[] {
  return [
    "--pod=@POD@",
    `--label=homespan.cluster=${node.clusterName}`,
    `--label=homespan.node=${node.nodeName}`,
    ...podmanLimitFlags(node.restrictions),
    bootVolume,
  ];
}

function tailscaleArguments(node: StewardFiles): string[] {
  return [
    ...everyChild(node),
    "--cap-add=NET_ADMIN",
    "--cap-add=NET_RAW",
    `--device=${tailscalePaths.tunDevice}`,
    "--security-opt=label=disable",
    ...(!node.ownAuthority ? [] : [`--env=SSL_CERT_FILE=${bootSeen}/ca.pem`]),
    // A tailnet of one's own has no support at Tailscale that would read the logs.
    "--env=TS_NO_LOGS_NO_SUPPORT=true",
    // Its gateway is Podman's, which opens no port for anybody; to ask it takes a quarter of a second of each login.
    "--env=TS_DISABLE_PORTMAPPER=true",
    `--volume=@DATA@/tailscale:${tailscalePaths.stateDirectory}`,
    `--entrypoint=${bootSeen}/children/tailscale`,
    node.images.tailscale,
  ];
}

function k3sArguments(node: StewardFiles): string[] {
  return [
    ...everyChild(node),
    "--privileged",
    "--cgroupns=private",
    "--init",
    "--stop-timeout=30",
    "--tmpfs=/run",
    "--tmpfs=/tmp",
    "--volume=@DATA@/etc/rancher:/etc/rancher",
    "--volume=@DATA@/rancher:/var/lib/rancher",
    "--volume=@DATA@/kubelet:/var/lib/kubelet",
    "--volume=@DATA@/secrets:/run/homespan/secrets:ro",
    "--volume=@DATA@/etc/resolv.conf.upstream:/etc/homespan/resolv.conf:ro",
    ...(node.imagesDirectory === undefined
      ? []
      : [`--volume=${node.imagesDirectory}:${k3sPaths.imagesDirectory}:ro`]),
    `--entrypoint=${bootSeen}/children/k3s`,
    node.images.k3s,
  ];
}

function bootstrapperArguments(node: StewardFiles): string[] {
  return [
    ...everyChild(node),
    "--init",
    "--security-opt=label=disable",
    "--volume=@DATA@/rancher/k3s/agent:/var/lib/rancher/k3s/agent:ro",
    "--volume=@DATA@/steward/report:/run/homespan/report",
    `--entrypoint=${bootSeen}/children/bootstrapper`,
    node.images.steward,
    node.nodeName,
  ];
}

function lines(values: readonly string[]): string {
  return values.map((value) => `${value}\n`).join("");
}
