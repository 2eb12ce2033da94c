/** Literals of the CNCF Distribution registry. https://distribution.github.io/distribution/about/configuration/ */

/** Where it listens inside its container; the port on the machine is the user's choice. */
export const registryPort = 5000;

/** Inside the container. Its own configuration lies beside what it stores, as releases look for theirs in different places. */
export const registryPaths = {
  data: "/var/lib/registry",
  config: "/var/lib/registry/config.yml",
} as const;
