/** Literals of Headscale 0.29. https://headscale.net/stable/ref/configuration/ */

/** The least release that takes grants and tests in a policy, and keys with tags, major and minor. */
export const leastHeadscale = [0, 29] as const;

/** Environment variable with the API key of a server that runs already. */
export const headscaleKeyVariable = "HEADSCALE_API_KEY";

/** Ports inside the container. */
export const headscalePorts = { https: 443, grpc: 50443, stun: 3478 } as const;

/** Files inside the container: all on its one data volume. */
export const headscalePaths = {
  database: "/var/lib/headscale/db.sqlite",
  noiseKey: "/var/lib/headscale/noise_private.key",
  derpKey: "/var/lib/headscale/derp_server_private.key",
  certificate: "/var/lib/headscale/tls/server.crt",
  certificateKey: "/var/lib/headscale/tls/server.key",
  socket: "/var/lib/headscale/headscale.sock",
} as const;
