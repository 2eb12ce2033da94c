/** Rules about what the topology owns on a node, the same in every stack. */
import { labelKeys } from "../components/render/labels.ts";
import { ownedKubeletArguments } from "../components/upstream/k3s.ts";
import { fieldPath, type Problem } from "./grammar.ts";

/** What one node may set. */
interface NodeSettings {
  readonly labels: Readonly<Record<string, string>>;
  readonly kubeletArgs: readonly string[];
}

/** @param path of the node in the configuration */
export function freeLabels(path: readonly PropertyKey[], { labels }: NodeSettings): Problem[] {
  const owned: readonly string[] = Object.values(labelKeys);
  const isOwned = (key: string): boolean =>
    owned.includes(key) || key.startsWith("homespan.dev/") || key === "kubernetes.io/hostname";
  return Object.keys(labels)
    .filter(isOwned)
    .map((key) => ({
      field: fieldPath([...path, "labels"]),
      rule: "not set a label the topology owns",
      got: key,
    }));
}

/**
 * @param path of the node in the configuration
 * @param more arguments that the stack owns beside those of every stack
 */
export function freeKubeletArguments(
  path: readonly PropertyKey[],
  { kubeletArgs }: NodeSettings,
  more: readonly string[] = [],
): Problem[] {
  const owned = [...ownedKubeletArguments, ...more];
  return kubeletArgs
    .filter((argument) => owned.includes(argument.split("=")[0] ?? ""))
    .map((argument) => ({
      field: fieldPath([...path, "kubeletArgs"]),
      rule: "not set an argument the topology owns",
      got: argument,
    }));
}
