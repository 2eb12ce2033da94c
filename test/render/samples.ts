/** Plain data for the renderers, one ordinary case each. */
import { stewardPaths } from "../../components/render/host-paths.ts";
import type { K3sAgentConfig, K3sServerConfig } from "../../components/render/k3s-config.ts";
import { unrestricted } from "../../components/render/restrictions.ts";
import type { StewardFiles } from "../../components/render/steward-files.ts";

export const restricted = { cgroupV1: true, noSysResource: true, userNamespace: false };

export const server: K3sServerConfig = {
  role: "server",
  nodeName: "server-1",
  paths: stewardPaths,
  restrictions: unrestricted,
  kubeletArgs: [],
  extraConfig: {},
  disable: ["traefik", "servicelb"],
  tlsSans: ["ci-server-1.ci.tailnet.internal", "ci-server-1", "127.0.0.1"],
};

export const agent: K3sAgentConfig = {
  role: "agent",
  nodeName: "agent-1",
  paths: stewardPaths,
  restrictions: unrestricted,
  kubeletArgs: ["max-pods=60"],
  extraConfig: { "protect-kernel-defaults": true },
};

export const steward: StewardFiles = {
  clusterName: "ci",
  nodeName: "agent-1",
  volumeName: "homespan-ci-agent-1-data",
  loginServer: "https://control.homespan-ci.internal",
  ownAuthority: true,
  images: {
    steward: "localhost/homespan/steward:0.1.0",
    tailscale: "docker.io/tailscale/tailscale:v1.96.0",
    k3s: "docker.io/rancher/k3s:v1.35.1-k3s1",
  },
  restrictions: unrestricted,
  imagesDirectory: "/home/user/.cache/homespan/images/cluster",
};
