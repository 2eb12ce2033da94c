/** Rules of the ci stack that join several fields. */
import { labelKeys } from "../components/render/labels.ts";
import { nodeNames } from "../components/render/names.ts";
import { k3sOptionAliases, k3sOptions } from "../components/upstream/k3s-options.ts";
import { ownedKubeletArguments } from "../components/upstream/k3s.ts";
import type { CiFields } from "./ci-schema.ts";
import { fieldPath, type Problem } from "./grammar.ts";

interface Rule {
  /** Fields that must be right by themselves before this rule says anything. */
  readonly needs: readonly (keyof CiFields)[];
  readonly check: (fields: CiFields) => Problem[];
}

export const ciRules: readonly Rule[] = [
  { needs: ["servers", "datastore"], check: datastoreForServers },
  { needs: ["apiPort", "servers"], check: apiPortsInRange },
  { needs: ["nodes", "servers", "agents"], check: knownNodes },
  { needs: ["nodes"], check: freeLabels },
  { needs: ["nodes"], check: freeKubeletArguments },
  { needs: ["extraConfig"], check: freeOptions },
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

function freeLabels({ nodes }: CiFields): Problem[] {
  const owned: readonly string[] = Object.values(labelKeys);
  const isOwned = (key: string): boolean =>
    owned.includes(key) || key.startsWith("homespan.dev/") || key === "kubernetes.io/hostname";
  return Object.entries(nodes).flatMap(([name, node]) =>
    Object.keys(node.labels)
      .filter(isOwned)
      .map((key) => ({
        field: fieldPath(["nodes", name, "labels"]),
        rule: "not set a label the topology owns",
        got: key,
      })),
  );
}

function freeKubeletArguments({ nodes }: CiFields): Problem[] {
  return Object.entries(nodes).flatMap(([name, node]) =>
    node.kubeletArgs
      .filter((argument) => ownedKubeletArguments.includes(argument.split("=")[0] ?? ""))
      .map((argument) => ({
        field: fieldPath(["nodes", name, "kubeletArgs"]),
        rule: "not set an argument the topology owns",
        got: argument,
      })),
  );
}

function freeOptions({ extraConfig }: CiFields): Problem[] {
  return Object.entries(extraConfig).flatMap(([role, options]) =>
    Object.entries(options).flatMap(([key, value]) => {
      // k3s takes `name+` for "add to what an earlier file said".
      const problem = optionProblem(role === "server" ? "server" : "agent", key.replace(/\+$/, ""), value);
      return problem === undefined ? [] : [{ field: fieldPath(["extraConfig", role, key]), ...problem }];
    }),
  );
}

function optionProblem(
  role: "server" | "agent",
  name: string,
  value: unknown,
): Omit<Problem, "field"> | undefined {
  const long = k3sOptionAliases[name];
  if (long !== undefined) {
    return { rule: `be an option by its long name, which is ${long}` };
  }
  const option = k3sOptions[name];
  if (option === undefined) {
    const candidates = Object.keys(k3sOptions).filter((it) => isFree(role, it));
    return { rule: `be an option of k3s ${role}`, got: name, candidates };
  }
  if (option.owned !== undefined) {
    const rule = `be left to the topology (${option.owned})`;
    return option.secret === true ? { rule } : { rule, got: value };
  }
  if (option.only !== undefined && option.only !== role) {
    return { rule: `not be set for ${role}s: only k3s ${option.only} has it` };
  }
  return holdsCredentials(value)
    ? { rule: "be without a password, because the configuration is stored in the clear" }
    : undefined;
}

function isFree(role: "server" | "agent", name: string): boolean {
  const option = k3sOptions[name];
  return option?.owned === undefined && (option?.only ?? role) === role;
}

/** `https://user:password@proxy`, alone or in a list or an argument. */
function holdsCredentials(value: unknown): boolean {
  return [value].flat().some((it) => typeof it === "string" && /:\/\/[^/?#\s]*:[^/?#\s]*@/.test(it));
}
