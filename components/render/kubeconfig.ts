/** Kubeconfigs that were made elsewhere. */
import { parse, stringify } from "yaml";

interface Kubeconfig {
  readonly clusters?: readonly { readonly cluster?: Readonly<Record<string, unknown>> }[];
}

/**
 * The same kubeconfig by way of another proxy: the one it names is on the machine that made it.
 *
 * @throws RangeError for a text that holds no cluster
 */
export function kubeconfigThrough(text: string, proxyUrl: string): string {
  const config = parse(text) as Kubeconfig | null;
  const clusters = config?.clusters ?? [];
  if (clusters.length === 0) throw new RangeError("`kubeconfig` must hold a cluster, got another text");
  return stringify({
    ...config,
    clusters: clusters.map((it) => ({ ...it, cluster: { ...it.cluster, "proxy-url": proxyUrl } })),
  });
}
