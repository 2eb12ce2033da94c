/** kubelet's own configuration, beside what k3s gives it. */
import { k3sPaths } from "../upstream/k3s.ts";
import { renderYaml } from "./yaml.ts";

const header = [
  "Written by Homespan's join layer; read when k3s starts, for which alone it matters.",
  "After k3s's defaults and before a file that `kubeletArgs` names as `config`.",
].join("\n");

/**
 * A drop-in, absolute path as k3s sees it -> content. https://docs.k3s.io/installation/configuration#kubelet-configuration-files
 *
 * k3s starts its network policy controller when the Node's Ready condition is newer than the controller's own start, as a sign that
 * its addresses are of today (https://github.com/k3s-io/k3s/pull/12891). Where kubelet reported the node Ready a moment too early and
 * nothing of its status changes, that is the next report: with k3s's default after five to seven and a half minutes, in which pods
 * run and no NetworkPolicy holds. It is no argument: kubelet has none for it.
 */
export function renderKubelet(): Record<string, string> {
  const configuration = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    // Longer than the cloud controller takes, which mends addresses: it waits 15 s for the lease of a former one.
    nodeStatusReportFrequency: "30s",
  };
  return { [k3sPaths.kubelet]: renderYaml(configuration, header) };
}
