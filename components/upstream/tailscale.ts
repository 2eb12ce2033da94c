/** Literals of Tailscale's client. */

/** The interface `tailscaled` makes. https://tailscale.com/kb/1278/tailscaled */
export const tailscaleInterface = "tailscale0";

/** The range every tailnet address comes from. https://tailscale.com/kb/1015/100.x-addresses */
export const tailnetRange = "100.64.0.0/10";

/** https://tailscale.com/kb/1278/tailscaled */
export const tailscalePaths = {
  stateDirectory: "/var/lib/tailscale",
  tunDevice: "/dev/net/tun",
} as const;

/** Where `tailscaled` listens for other nodes, UDP. https://tailscale.com/kb/1082/firewall-ports */
export const tailscalePort = 41641;
