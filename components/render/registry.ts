import { registryPaths, registryPort } from "../upstream/registry.ts";
import { renderYaml } from "./yaml.ts";

/** What nodes take in place of a registry's name. */
export interface RegistryMirror {
  /** As it stands in front of an image's name: `localhost:5001`. */
  readonly name: string;
  /** Where nodes find it: `http://10.90.0.11:5000`. */
  readonly endpoint: string;
}

/**
 * The name of a cluster's registry, the same in a push from this machine and in a pod. `localhost` because every client takes
 * plain HTTP from there or can be told to, and because the port is published there.
 */
export function registryName(port: number): string {
  return `localhost:${String(port)}`;
}

/**
 * `/etc/rancher/k3s/registries.yaml`, which k3s reads at its start. https://docs.k3s.io/installation/private-registry
 *
 * A mirror and not a registry of its own: on a node, `localhost` is the node itself.
 */
export function renderRegistries({ name, endpoint }: RegistryMirror): string {
  return renderYaml(
    { mirrors: { [name]: { endpoint: [endpoint] } } },
    "Written by Homespan's join layer; a change here restarts k3s on this node.",
  );
}

/** The registry's own configuration: files below its data volume, plain HTTP, deletion allowed. */
export function renderRegistryConfig(): string {
  return renderYaml(
    {
      version: 0.1,
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: registryPaths.data }, delete: { enabled: true } },
      http: { addr: `:${String(registryPort)}` },
    },
    "Written by Homespan.",
  );
}
