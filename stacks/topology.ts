/** The stacks this project holds: what `homespan:topology` may name. */
export const topologies = ["ci", "lightsail", "homelab"] as const;
export type Topology = (typeof topologies)[number];
