/**
 * How an image gets into a cluster's registry: what stands in front of its name there is in front of it in a pod.
 * Podman asks for TLS from `localhost` as well, unless it is told otherwise; Docker does not.
 */
export function pushCommand(registry: string): string {
  return `podman push --tls-verify=false ${registry}/NAME:TAG   # in pods: image: ${registry}/NAME:TAG`;
}
