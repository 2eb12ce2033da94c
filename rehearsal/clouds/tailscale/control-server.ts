/**
 * The Headscale of a rehearsal. In the place of Tailscale's control server it has its name, and a certificate for it from an
 * authority that the rehearsal's machines trust: a client that is told no login server ends up here. In the place of a
 * Headscale that the stack's user runs, it has that one's name.
 *
 * The same resources run it that run Headscale in a cluster; what they would keep in Pulumi's state is in a file here.
 */
import { readFile, rm } from "node:fs/promises";
import { hostAddress } from "../../../components/render/address.ts";
import { type HeadscaleConfig, renderHeadscaleConfig } from "../../../components/render/headscale-config.ts";
import { images } from "../../../components/upstream/images.ts";
import type { Effects } from "../../../provider/effects/effects.ts";
import { removeContainer, removeNetwork, removeVolume } from "../../../provider/effects/removal.ts";
import { objectNames } from "../../../provider/logic/ownership.ts";
import { headscaleServer } from "../../../provider/resources/headscale-server.ts";
import { siteNetwork } from "../../../provider/resources/site-network.ts";
import { type Properties, isRecord } from "../../../provider/server/values.ts";
import { converge } from "../../converge.ts";
import { asText, writeFileWhole } from "../../daemon/state.ts";
import { ACCOUNT_USER } from "./account.ts";

/** The control server a client takes that is told none: `DefaultControlURL` of tailscale.com/ipn. */
export const CONTROL_HOST = "controlplane.tailscale.com";

/** Number of its address in its network. */
const ADDRESS_NUMBER = 10;

/** Last part of the name of its network: neither the cloud's nor a home's, as the internet is. */
const SITE = "internet";

export interface ControlServerOptions {
  readonly effects: Effects;
  /** File for what is known of it. */
  readonly file: string;
  /** Name of the rehearsal. */
  readonly world: string;
  /** MagicDNS suffix of the tailnet, `tail0a1b2c.ts.net`; neither the control server's domain nor one above it. */
  readonly domain: string;
  /** Name it has for clients, and in its certificate. @default {@link CONTROL_HOST} */
  readonly host?: string;
}

/** What others need to know of it. */
export interface ControlServerFound {
  readonly container: string;
  readonly address: string;
  /** PEM. */
  readonly caCertificate: string;
}

/** Runs the control server. */
export interface ControlServer {
  /** Makes it, or repairs it so that it is as it should be; what it knows stays. */
  ensure(magicDns: boolean, signal: AbortSignal): Promise<ControlServerFound>;
}

interface Kept {
  readonly network?: Properties;
  readonly server?: Properties;
}

export function controlServer({
  effects,
  file,
  world,
  domain,
  host = CONTROL_HOST,
}: ControlServerOptions): ControlServer {
  const networks = siteNetwork(effects);
  const servers = headscaleServer(effects);
  return {
    async ensure(magicDns, signal) {
      const kept = await read(file);
      const place = { clusterName: world, site: SITE };
      const network = await converge(networks, kept.network, place, signal);
      await writeFileWhole(file, asText({ ...kept, network }));
      const address = hostAddress(String(network["subnet"]), ADDRESS_NUMBER);
      const inputs = {
        ...{ clusterName: world, networkName: network["networkName"], address },
        ...{ hostName: host, image: images.headscale, user: ACCOUNT_USER },
        config: configFor({ controlHostName: host, address, domain }, magicDns),
      };
      const server = await converge(servers, kept.server, inputs, signal);
      await writeFileWhole(file, asText({ network, server }));
      return {
        container: String(server["container"]),
        address,
        caCertificate: String(server["caCertificate"]),
      };
    },
  };
}

/** Takes a world's control server away, with its network and all it knew; succeeds when it is gone. */
export async function removeControlServer({
  effects: { podman },
  file,
  world,
}: Omit<ControlServerOptions, "domain">): Promise<void> {
  // By name, not by what is known: a process may have been killed before it wrote that down.
  await removeContainer(podman, world, objectNames.headscale(world));
  await removeVolume(podman, world, objectNames.headscaleVolume(world));
  await removeNetwork(podman, world, objectNames.network(world, SITE));
  await rm(file, { force: true });
}

/** The network it is in, which other services of the internet share. */
export async function internetOf(
  podman: Effects["podman"],
  world: string,
): Promise<{ readonly network: string; readonly subnet: string }> {
  const name = objectNames.network(world, SITE);
  const found = (await podman.list("networks")).find((network) => network.name === name);
  if (found === undefined) throw new Error(`network ${name} must be there`);
  return { network: name, subnet: found.subnet };
}

function configFor(settings: HeadscaleConfig, magicDns: boolean): string {
  const config = renderHeadscaleConfig(settings);
  return magicDns ? config : config.replace("magic_dns: true", "magic_dns: false");
}

async function read(file: string): Promise<Kept> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, "utf8"));
    return isRecord(kept) ? kept : {};
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}
