/**
 * containerd's own client on a node, for bash. k3s takes the name it is called by; as a command of `k3s` only the program that
 * k3s's own build makes has it, and not one built from its module.
 *
 * @param k3s where the program is
 */
export function asCtr(k3s: string): string {
  return `exec -a ctr ${k3s} --address /run/k3s/containerd/containerd.sock --namespace k8s.io`;
}
