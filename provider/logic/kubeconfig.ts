/** Turns the kubeconfig a k3s server writes for itself into one for where Pulumi runs. */
import { parse, stringify } from "yaml";

interface RawKubeconfig {
  clusters?: { name?: string; cluster?: Record<string, unknown> }[];
  contexts?: { name?: string; context?: Record<string, unknown> }[];
  users?: { name?: string; user?: Record<string, unknown> }[];
}

/** Under which name, and by which way, a cluster is reached. */
export interface ClusterWay {
  readonly clusterName: string;
  readonly url: string;
  /** ServerName for TLS when the URL's host is no SAN. */
  readonly tlsServerName?: string | undefined;
  /** Proxy that every client has to go through. */
  readonly proxyUrl?: string | undefined;
}

/**
 * The same credentials under the cluster's name, for another URL. k3s calls everything `default`, which would
 * overwrite a user's other clusters when files are merged.
 *
 * @throws when the text holds no cluster or no user.
 */
export function adminKubeconfig(
  text: string,
  { clusterName, url, tlsServerName, proxyUrl }: ClusterWay,
): string {
  const raw = parse(text) as RawKubeconfig | null;
  const cluster = raw?.clusters?.[0]?.cluster;
  const user = raw?.users?.[0]?.user;
  if (cluster === undefined || user === undefined) {
    throw new Error("k3s.yaml must hold a cluster and a user, got another file");
  }
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: clusterName,
        cluster: {
          "certificate-authority-data": cluster["certificate-authority-data"],
          server: url,
          ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
          ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
        },
      },
    ],
    contexts: [{ name: clusterName, context: { cluster: clusterName, user: clusterName } }],
    "current-context": clusterName,
    users: [{ name: clusterName, user }],
  });
}
