/** Rules of the lightsail stack about agents on machines that exist already. */
import { fieldPath, type Problem } from "./grammar.ts";
import { existingNodes } from "./lightsail-nodes.ts";
import type { LightsailFields } from "./lightsail-schema.ts";
import type { Rule } from "./schema-check.ts";

export const existingRules: readonly Rule<LightsailFields>[] = [
  { needs: ["servers", "agents"], check: distinctMachines },
  { needs: ["region", "servers", "agents"], check: standsElsewhere },
];

/** One machine is one node: by what the configuration says of where it answers. */
function distinctMachines(fields: LightsailFields): Problem[] {
  const nodes = existingNodes(fields);
  const place = ({ node }: (typeof nodes)[number]): string =>
    `${node.existing.address.toLowerCase()} ${String(node.existing.port)}`;
  return nodes.flatMap((placed, index) => {
    const first = nodes.slice(0, index).find((other) => place(other) === place(placed));
    return first === undefined
      ? []
      : [
          {
            field: fieldPath([...placed.path, "existing", "address"]),
            rule: `be another machine's than that of \`${fieldPath(first.path)}\`, or have another port`,
            got: placed.node.existing.address,
          },
        ];
  });
}

/** Nodes of one site share a network, and no other machine is in Lightsail's. */
function standsElsewhere(fields: LightsailFields): Problem[] {
  return existingNodes(fields)
    .filter(({ node }) => node.existing.site === fields.region)
    .map(({ path, node }) => ({
      field: fieldPath([...path, "existing", "site"]),
      rule: "not be the region, whose private network only instances share",
      got: node.existing.site,
    }));
}
