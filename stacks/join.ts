/** Reads what another stack offers to agents of this one: its output `join`. */
import * as pulumi from "@pulumi/pulumi";
import { tailnetHostName } from "../components/render/names.ts";
import { configurationError } from "./config.ts";
import type { Problem } from "./grammar.ts";
import { homeRules, sitesOf } from "./home-rules.ts";
import type { JoiningConfig } from "./homelab-config.ts";
import { joinSchema, joinVersion, type Join } from "./join-schema.ts";
import { allNodes, nodeField } from "./machine-nodes.ts";
import { nodeRules } from "./machine-rules.ts";

/**
 * The offer of the stack that the configuration names.
 *
 * @throws pulumi.RunError naming what is missing, and the command that mends it
 */
export async function readJoin(stackName: string, config: JoiningConfig): Promise<Join> {
  const { stack } = config;
  const refused = (problems: readonly Problem[]): pulumi.RunError => configurationError(stackName, problems);
  try {
    await pulumi.runtime.invoke(readOutputs, { name: stack });
  } catch (error) {
    const said = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw refused([absent(stack, `it cannot be read: ${said.replace(/^.*returned an error: /, "")}`)]);
  }
  const reference = new pulumi.StackReference(stack);
  const { join, problems } = checkJoin(await plainOutputs(reference), config);
  if (join === undefined) throw refused(problems);
  return join;
}

/**
 * Asked before the reference is made: a stack that is not there ends a run by the engine's own words, before a program can say what to
 * do about it. https://github.com/pulumi/pulumi/blob/master/pkg/resource/deploy/builtins.go
 */
const readOutputs = "pulumi:pulumi:readStackOutputs";

/** With the secrets among them. */
async function plainOutputs(reference: pulumi.StackReference): Promise<Readonly<Record<string, unknown>>> {
  const entries = ["join", "clusterName"].map(async (name): Promise<[string, unknown]> => {
    const details: { readonly value?: unknown; readonly secretValue?: unknown } =
      await reference.getOutputDetails(name);
    return [name, details.value ?? details.secretValue];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Pure part of {@link readJoin}: the offer exactly when there are no problems. */
export function checkJoin(
  outputs: Readonly<Record<string, unknown>>,
  config: JoiningConfig,
): { readonly join: Join | undefined; readonly problems: readonly Problem[] } {
  const { stack } = config;
  const { join, clusterName } = outputs;
  if (join === undefined || join === null) {
    const why =
      clusterName === undefined
        ? "it has no outputs: it is not up"
        : "it was brought up by a version of Homespan without it, or is no stack that has servers on machines";
    return { join: undefined, problems: [absent(stack, why)] };
  }
  const parsed = joinSchema.safeParse(join);
  if (!parsed.success) {
    const version = (join as { readonly version?: unknown }).version;
    const why =
      version === joinVersion
        ? `its output lacks ${parsed.error.issues.map(({ path }) => path.join(".")).join(", ")}`
        : `its output is of form ${JSON.stringify(version)}, this version of Homespan reads ${joinVersion}`;
    return { join: undefined, problems: [absent(stack, why)] };
  }
  const problems = problemsWith(parsed.data, config);
  return { join: problems.length === 0 ? parsed.data : undefined, problems };
}

function absent(stack: string, why: string): Problem {
  return {
    field: "join",
    rule: `name a stack that offers its cluster in its output \`join\` (${why}); bring it up first: ./homespan up ${stack}`,
    got: stack,
  };
}

/** What only the cluster's own name, nodes and site tell. */
function problemsWith(join: Join, { stack, ownName, fields }: JoiningConfig): Problem[] {
  const { clusterName, nodeNames, site } = join;
  const named = { ...fields, clusterName };
  const settings = { stackName: ownName, values: {} };
  const nodes = allNodes(fields);
  const taken = nodes
    .filter(({ name }) => nodeNames.includes(name))
    .map((placed) => ({
      field: nodeField(placed, "name"),
      rule: `be unique (${stack} has a node of this name)`,
      got: placed.name,
    }));
  const operator = nodes
    .filter(({ name }) => name === joiningOperator(ownName))
    .map((placed) => ({
      field: nodeField(placed, "name"),
      rule: "not be the name of the machine that runs Pulumi in the tailnet",
      got: placed.name,
    }));
  const there = sitesOf(fields)
    .filter((it) => it.site === site)
    .map(({ field, site: got }) => ({
      field,
      rule: `not be the site of ${stack}'s servers, whose network no machine of this stack is in`,
      got,
    }));
  const ownOperator = tailnetHostName(clusterName, joiningOperator(ownName));
  const room =
    ownOperator.length <= 63
      ? []
      : [
          {
            field: "join",
            rule: `name a cluster whose name leaves room for that of the machine that runs Pulumi, at most 63 characters (${ownOperator})`,
            got: stack,
          },
        ];
  return [
    ...room,
    ...taken,
    ...operator,
    ...there,
    ...[...nodeRules, ...homeRules].flatMap(({ check }) => check(named, settings)),
  ];
}

/** The name, in the cluster's part of the tailnet, of the machine that runs Pulumi for a stack that joins. */
export function joiningOperator(ownName: string): string {
  return `${ownName}-operator`;
}
