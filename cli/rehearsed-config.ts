/** What a stack's configuration asks of its rehearsal, and the few settings that a rehearsal has to change. */
import type { RegistryMirrors } from "../components/render/registry.ts";
import type { ControlOrder, Mac } from "../rehearsal/rehearsal.ts";
import { macName } from "../rehearsal/rehearsal.ts";
import { InputError } from "./errors.ts";
import { type RehearsedMachines, rehearsedMachines } from "./rehearsed-machines.ts";
import { settingOf, type StackFile } from "./settings.ts";

/** What the stand-ins have to be like. */
export interface RehearsedConfig {
  readonly region: string;
  readonly domain: string;
  readonly control: ControlOrder;
  readonly sshSources: readonly string[];
  /** The machine that runs Lima, where one is named. */
  readonly mac: Mac | undefined;
  /** Virtual machines on libvirt, where there are some. */
  readonly machines: RehearsedMachines | undefined;
}

/**
 * A value that is missing or wrong is config's to refuse, with its own words.
 *
 * @throws InputError for what no rehearsal can play
 */
export function rehearsedConfig(config: StackFile): RehearsedConfig {
  const region = settingOf(config, "region");
  const sources = settingOf(config, "sshAllowedCidrs");
  const tailnet = mapping(settingOf(config, "tailnet"));
  const { domain } = tailnet;
  insistOnPlayable(config);
  return {
    region: typeof region === "string" ? region : "eu-central-1",
    domain: typeof domain === "string" ? domain : "rehearsal.ts.net",
    control: rehearsedControl(tailnet),
    sshSources: Array.isArray(sources) ? sources.filter((it) => typeof it === "string") : [],
    mac: rehearsedMac(settingOf(config, "mac")),
    machines: rehearsedMachines(config),
  };
}

/** The rehearsal's Headscale has another CA than the one whose part it plays. */
export function ownAuthority(control: ControlOrder, caFile: string): string[] {
  return control.kind === "headscale" && !control.trusted ? [`tailnet.caFile=${JSON.stringify(caFile)}`] : [];
}

/** The rehearsed Mac answers at another address than the one whose part it plays, with another host key. */
export function ownMac(
  config: StackFile,
  place: { readonly address: string; readonly user: string } | undefined,
): string[] {
  if (place === undefined) return [];
  const { port: _port, hostKey: _hostKey, ...mac } = mapping(settingOf(config, "mac"));
  return [`mac=${JSON.stringify({ ...mac, ...place })}`];
}

/** The nodes of a rehearsal with a registry pull from it, beside what the stack's own mirrors are for. */
export function ownRegistry(config: StackFile, mirrors: RegistryMirrors | undefined): string[] {
  const given = settingOf(config, "registryMirrors");
  // What is no mapping is config's to refuse.
  if (mirrors === undefined || Array.isArray(given)) return [];
  return [`registryMirrors=${JSON.stringify({ ...mapping(given), ...mirrors })}`];
}

/** @throws InputError with the setting that leaves out what nothing plays: a box that a person installs */
function insistOnPlayable(config: StackFile): void {
  const problems = ["servers", "agents"].flatMap((key) => {
    const value = settingOf(config, key);
    const nodes: readonly unknown[] = Array.isArray(value) ? value : [];
    const others = nodes.filter((node) => mapping(node)["coreos"] === undefined);
    return others.length === nodes.length
      ? []
      : [
          `\`${key}\` must be without machines with Fedora CoreOS to be rehearsed, got ${nodes.length - others.length}; ` +
            `use: --set '${key}=${JSON.stringify(others)}'`,
        ];
  });
  if (problems.length > 0) throw new InputError(problems.join("\n"));
}

function rehearsedMac(value: unknown): Mac | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { address, user } = mapping(value);
  return {
    name: macName(typeof address === "string" ? address : ""),
    user: typeof user === "string" ? user : "admin",
  };
}

function rehearsedControl({ kind, url, caFile }: Readonly<Record<string, unknown>>): ControlOrder {
  if (kind !== "headscale" || typeof url !== "string" || !URL.canParse(url)) return { kind: "tailscale" };
  const { hostname, port } = new URL(url);
  if (port !== "") {
    throw new InputError(
      `\`tailnet.url\` must be without a port to be rehearsed, got ${JSON.stringify(url)}`,
    );
  }
  return { kind: "headscale", host: hostname, trusted: caFile === undefined };
}

function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
