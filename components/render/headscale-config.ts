import { headscalePaths, headscalePorts } from "../upstream/headscale.ts";
import { tailnetRange } from "../upstream/tailscale.ts";
import { renderYaml } from "./yaml.ts";

export interface HeadscaleConfig {
  /** Name in the server's certificate; nodes reach it by their hosts file. */
  readonly controlHostName: string;
  /** Address of the server, given to nodes as the relay's so that relaying needs no name. */
  readonly address: string;
  /** MagicDNS base domain; must not be a suffix of `controlHostName`. */
  readonly domain: string;
  /** @default "info" */
  readonly logLevel?: "debug" | "info" | "warn" | "error";
}

/** The URL nodes log in to. */
export function loginServer(controlHostName: string): string {
  return `https://${controlHostName}`;
}

/**
 * Headscale's config.yaml: TLS by files, its own relay and no foreign one, policy from the database, and nodes keep
 * their own DNS beside MagicDNS.
 */
export function renderHeadscaleConfig(config: HeadscaleConfig): string {
  return renderYaml(
    {
      server_url: loginServer(config.controlHostName),
      listen_addr: `0.0.0.0:${String(headscalePorts.https)}`,
      grpc_listen_addr: `127.0.0.1:${String(headscalePorts.grpc)}`,
      metrics_listen_addr: "",
      tls_cert_path: headscalePaths.certificate,
      tls_key_path: headscalePaths.certificateKey,
      unix_socket: headscalePaths.socket,
      unix_socket_permission: "0700",
      noise: { private_key_path: headscalePaths.noiseKey },
      prefixes: { v4: tailnetRange, allocation: "sequential" },
      database: { type: "sqlite", sqlite: { path: headscalePaths.database, write_ahead_log: true } },
      derp: {
        server: {
          enabled: true,
          region_id: 999,
          region_code: "homespan",
          region_name: "Homespan",
          verify_clients: true,
          stun_listen_addr: `0.0.0.0:${String(headscalePorts.stun)}`,
          private_key_path: headscalePaths.derpKey,
          automatically_add_embedded_derp_region: true,
          ipv4: config.address,
          // The relay has none. Unsaid, a node with an IPv6 address of its own looks for it for three seconds at each login (net/netcheck).
          ipv6: "none",
        },
        urls: [],
        paths: [],
        auto_update_enabled: false,
      },
      dns: {
        magic_dns: true,
        base_domain: config.domain,
        override_local_dns: false,
        nameservers: { global: [], split: {} },
        search_domains: [],
      },
      policy: { mode: "database" },
      disable_check_updates: true,
      logtail: { enabled: false },
      taildrop: { enabled: false },
      log: { level: config.logLevel ?? "info", format: "text" },
      // The defaults, 500 and 800 ms, are meant for thousands of nodes; here they would be most of a login's time.
      tuning: { node_store_batch_timeout: "20ms", batch_change_delay: "50ms" },
    },
    "Written by Homespan.",
  );
}
