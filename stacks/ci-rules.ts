/** Rules of the ci stack that join several fields. */
import { nodeNames } from "../components/render/names.ts";
import { registryName } from "../components/render/registry.ts";
import type { CiFields } from "./ci-schema.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import { freeKubeletArguments, freeLabels } from "./node-rules.ts";
import { freeOptions } from "./option-rules.ts";
import { onePodCidr } from "./pod-network.ts";
import { mirrorRules } from "./registry-mirrors.ts";
import type { Rule } from "./schema-check.ts";

export const ciRules: readonly Rule<CiFields>[] = [
  { needs: ["servers", "datastore"], check: datastoreForServers },
  { needs: ["apiPort", "servers"], check: apiPortsInRange },
  { needs: ["registryPort", "apiPort", "servers"], check: registryBesideApi },
  ...mirrorRules,
  { needs: ["registryPort", "registryMirrors"], check: ownRegistryUnmirrored },
  { needs: ["nodes", "servers", "agents"], check: knownNodes },
  { needs: ["nodes"], check: eachNode(freeLabels) },
  { needs: ["nodes"], check: eachNode(freeKubeletArguments) },
  { needs: ["extraConfig"], check: ({ extraConfig }) => freeOptions(extraConfig) },
  { needs: ["podNetwork", "extraConfig"], check: onePodCidr },
];

function datastoreForServers({ servers, datastore }: CiFields): Problem[] {
  return servers > 1 && datastore === "sqlite"
    ? [{ field: "datastore", rule: `be etcd with ${String(servers)} servers`, got: datastore }]
    : [];
}

function apiPortsInRange({ apiPort, servers }: CiFields): Problem[] {
  const highest = 65535 - servers + 1;
  return apiPort > highest
    ? [
        {
          field: "apiPort",
          rule: `be at most ${String(highest)} with ${String(servers)} servers`,
          got: apiPort,
        },
      ]
    : [];
}

function registryBesideApi({ registryPort, apiPort, servers }: CiFields): Problem[] {
  const last = apiPort + servers - 1;
  if (registryPort === undefined || registryPort < apiPort || registryPort > last) return [];
  const taken = servers === 1 ? String(apiPort) : `${String(apiPort)} to ${String(last)}`;
  return [{ field: "registryPort", rule: `be another port than the API's (${taken})`, got: registryPort }];
}

function ownRegistryUnmirrored({ registryPort, registryMirrors }: CiFields): Problem[] {
  const own = registryPort === undefined ? undefined : registryName(registryPort);
  if (own === undefined || !(own in registryMirrors)) return [];
  const rule = `not be given beside \`registryPort\` ${String(registryPort)}: nodes know that registry by this name`;
  return [{ field: fieldPath(["registryMirrors", own]), rule }];
}

function knownNodes({ nodes, servers, agents }: CiFields): Problem[] {
  const names = [...nodeNames("server", servers), ...nodeNames("agent", agents)];
  return Object.keys(nodes)
    .filter((name) => !names.includes(name))
    .map((name) => ({
      field: fieldPath(["nodes", name]),
      rule: `name a node of this cluster (${names.join(", ")})`,
      got: name,
      candidates: names,
    }));
}

function eachNode(
  check: (path: readonly PropertyKey[], node: CiFields["nodes"][string]) => Problem[],
): (fields: CiFields) => Problem[] {
  return ({ nodes }) => Object.entries(nodes).flatMap(([name, node]) => check(["nodes", name], node));
}
