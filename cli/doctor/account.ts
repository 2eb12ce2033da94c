/** Doctor's part about a stack of the cloud: accounts, and the way from here to its machines. Judgement is pure; nobody is asked. */
import { existsSync, readFileSync } from "node:fs";
import { BlockList, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { readOutputs } from "../deployment.ts";
import { childEnvironment } from "../environment.ts";
import { hasVms } from "../needs.ts";
import { joinedStack, settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import { libvirtSdk } from "../../toolchain/pins-homelab.ts";
import { sourceOf } from "../tools.ts";
import type { Check } from "./checks.ts";

/** What the checks judge. */
export interface AccountFacts {
  /** False for a stack that makes nothing at AWS. */
  readonly cloud: boolean;
  /** True inside of a rehearsal, whose clouds ask for no credentials of AWS and whose plugins are stand-ins. */
  readonly rehearsed: boolean;
  /** Where AWS credentials are found: variables of the environment, or a file. */
  readonly awsCredentials: readonly string[];
  /** True on a machine of AWS, which may have a role instead. */
  readonly onAws: boolean;
  /** Kind of the stack's tailnet, `tailscale`; undefined where another stack has it, which is not up. */
  readonly tailnetKind: string | undefined;
  /** Variables of the environment with credentials for Tailscale. */
  readonly tailscaleCredentials: readonly string[];
  /** Plugins the stack needs, and whether each is there. */
  readonly plugins: readonly { readonly name: string; readonly installed: boolean }[];
  /** Whether Pulumi may download a plugin that is missing. */
  readonly downloads: boolean;
  /** IPv4 addresses of this machine, loopback's own aside. */
  readonly addresses: readonly string[];
  /** `sshAllowedCidrs`; undefined where config names none. */
  readonly sshAllowedCidrs: readonly string[] | undefined;
}

/** Pulumi's plugin that serves libvirt's package. */
const libvirtBridge = "terraform-provider";

/** https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html */
const awsVariables = [
  ...["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"],
  ...["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
];
/** https://www.pulumi.com/registry/packages/tailscale/installation-configuration/ */
const tailscaleVariables = [
  "TAILSCALE_API_KEY",
  "TAILSCALE_OAUTH_CLIENT_ID",
  "TAILSCALE_OAUTH_CLIENT_SECRET",
];

/** Empty for a stack that needs no account. */
export async function examineAccount(
  context: Context,
  topology: string,
  config: StackFile,
): Promise<readonly Check[]> {
  if (topology !== "lightsail" && topology !== "homelab") return [];
  return checkAccount(await accountFacts(context, topology === "lightsail", config));
}

/** Pure part of {@link examineAccount}. */
export function checkAccount(facts: AccountFacts): readonly Check[] {
  const { cloud, plugins: needed } = facts;
  return [
    ...(cloud ? [aws(facts)] : []),
    tailscale(facts),
    ...(needed.length > 0 ? [plugins(facts)] : []),
    ...(cloud ? [address(facts)] : []),
  ];
}

function aws({ rehearsed, awsCredentials, onAws }: AccountFacts): Check {
  const name = "aws";
  if (rehearsed) return { name, result: "ok", message: "a rehearsal asks for no credentials of AWS" };
  if (awsCredentials.length > 0) {
    return { name, result: "ok", message: `credentials come from ${awsCredentials.join(", ")}` };
  }
  const fix =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run: aws configure; the user needs lightsail:*";
  if (onAws) {
    return { name, result: "notice", message: "credentials must come from this machine's role", fix };
  }
  return { name, result: "problem", message: "credentials of AWS must be there, found none", fix };
}

function tailscale({ tailnetKind, tailscaleCredentials }: AccountFacts): Check {
  const name = "tailscale";
  if (tailnetKind === undefined) {
    return {
      name,
      result: "notice",
      message: "which tailnet it is the stack that is joined will say, once it is up",
    };
  }
  if (tailnetKind !== "tailscale") {
    return { name, result: "ok", message: `the tailnet is of kind ${tailnetKind}, not Tailscale's` };
  }
  const [key, ...client] = tailscaleVariables;
  const complete =
    tailscaleCredentials.includes(key ?? "") || client.every((it) => tailscaleCredentials.includes(it));
  if (complete) {
    return { name, result: "ok", message: `credentials come from ${tailscaleCredentials.join(", ")}` };
  }
  const found = tailscaleCredentials.length === 0 ? "none" : `${tailscaleCredentials.join(", ")} alone`;
  return {
    name,
    result: "problem",
    message: `credentials of Tailscale must be there, found ${found}`,
    fix: "set TAILSCALE_API_KEY (https://login.tailscale.com/admin/settings/keys), or TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET",
  };
}

function plugins({ rehearsed, plugins: needed, downloads }: AccountFacts): Check {
  const name = "plugins";
  const missing = needed.filter(({ installed }) => !installed).map((plugin) => plugin.name);
  if (missing.length === 0) {
    const what = needed.map((plugin) => plugin.name).join(" and ");
    return { name, result: "ok", message: `${what} are there${rehearsed ? ", as stand-ins" : ""}` };
  }
  const message = `Pulumi's plugins are missing: ${missing.join(", ")}`;
  if (downloads) return { name, result: "notice", message, fix: "the first run downloads them" };
  if (missing.every((it) => it.startsWith(libvirtBridge))) {
    return { name, result: "notice", message, fix: "the first run builds it from its module" };
  }
  return {
    name,
    result: "problem",
    message,
    fix: "Pulumi's own are downloaded, never built: run where get.pulumi.com is reached, without HOMESPAN_SOURCE=modules; a rehearsal needs neither",
  };
}

function address({ addresses, sshAllowedCidrs }: AccountFacts): Check {
  const name = "ssh";
  if (sshAllowedCidrs === undefined) {
    return {
      name,
      result: "problem",
      message: "`sshAllowedCidrs` must name the network this machine's SSH comes from, got none",
      fix: "put it into Pulumi.lightsail.yaml; your address: https://checkip.amazonaws.com",
    };
  }
  const networks = sshAllowedCidrs.join(", ");
  const own = addresses.filter((it) => inside(sshAllowedCidrs, it));
  if (own.length > 0) {
    return { name, result: "ok", message: `${own.join(", ")} of this machine is in \`sshAllowedCidrs\`` };
  }
  const fix = `compare it with what https://checkip.amazonaws.com says: SSH is let in from ${networks} alone`;
  const open = addresses.filter((it) => !inside(notPublic, it));
  if (open.length > 0) {
    return {
      name,
      result: "problem",
      message: `this machine's public address must be in \`sshAllowedCidrs\` (${networks}), got ${open.join(", ")}`,
      fix,
    };
  }
  return {
    name,
    result: "notice",
    message: "this machine's public address is a router's, and not known here",
    fix,
  };
}

/** Networks that no packet on the internet comes from. https://www.iana.org/assignments/iana-ipv4-special-registry */
const notPublic = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...["192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"],
  ...["203.0.113.0/24", "240.0.0.0/4"],
];

function inside(networks: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [start = "", bits = ""] = network.split("/");
    // What is no network is config's to refuse, with its own words.
    if (isIPv4(start) && /^([0-9]|[12][0-9]|3[0-2])$/.test(bits)) list.addSubnet(start, Number(bits));
  }
  return list.check(address);
}

async function accountFacts(context: Context, cloud: boolean, config: StackFile): Promise<AccountFacts> {
  const environment = childEnvironment(context.paths, context.environment);
  const isSet = (name: string): boolean => (environment[name] ?? "") !== "";
  const home = environment["HOME"] ?? "/";
  const files = [
    environment["AWS_SHARED_CREDENTIALS_FILE"] ?? join(home, ".aws/credentials"),
    environment["AWS_CONFIG_FILE"] ?? join(home, ".aws/config"),
  ];
  const kind = await tailnetKindOf(context, config);
  const cidrs = settingOf(config, "sshAllowedCidrs");
  const needed = [
    ...(cloud ? ["aws"] : []),
    ...(kind === undefined || kind === "tailscale" ? ["tailscale"] : []),
  ];
  return {
    cloud,
    rehearsed: isSet("HOMESPAN_REHEARSAL"),
    awsCredentials: [...awsVariables.filter(isSet), ...files.filter((file) => existsSync(file))],
    onAws: vendor().startsWith("Amazon"),
    tailnetKind: kind,
    tailscaleCredentials: tailscaleVariables.filter(isSet),
    plugins: [
      ...needed.map((name) => plugin(context, environment["PULUMI_HOME"] ?? "", name)),
      ...(hasVms(config) ? [libvirtPlugin(context, environment["PULUMI_HOME"] ?? "")] : []),
    ],
    downloads: (await sourceOf(context.environment)) !== "modules",
    addresses: Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ family, address: own }) => family === "IPv4" && !own.startsWith("127."))
      .map(({ address: own }) => own),
    sshAllowedCidrs: Array.isArray(cidrs) ? cidrs.filter((it) => typeof it === "string") : undefined,
  };
}

/** Pulumi's way to libvirt: downloaded, or built from the bridge's module and found on PATH in its place. */
function libvirtPlugin(
  { paths }: Context,
  pulumiHome: string,
): { readonly name: string; readonly installed: boolean } {
  const [name, version] = [libvirtBridge, libvirtSdk.bridgeVersion];
  const places = [
    join(paths.bin, `pulumi-resource-${name}`),
    join(pulumiHome, "plugins", `resource-${name}-v${version}`),
  ];
  return { name: `${name} ${version}`, installed: places.some((place) => existsSync(place)) };
}

/** Of the stack itself, or of the one whose cluster it joins. */
async function tailnetKindOf({ paths }: Context, config: StackFile): Promise<string | undefined> {
  const joined = joinedStack(config);
  if (joined === undefined) return kindIn(settingOf(config, "tailnet")) ?? "tailscale";
  const { join } = await readOutputs(paths, joined);
  return typeof join === "object" && join !== null && "tailnet" in join ? kindIn(join.tailnet) : undefined;
}

function kindIn(tailnet: unknown): string | undefined {
  const kind = typeof tailnet === "object" && tailnet !== null && "kind" in tailnet ? tailnet.kind : "";
  return typeof kind === "string" && kind !== "" ? kind : undefined;
}

/** Of exactly the version that the program's package asks for. */
function plugin(
  { paths }: Context,
  pulumiHome: string,
  name: string,
): { readonly name: string; readonly installed: boolean } {
  const manifest = join(paths.checkout, "node_modules", "@pulumi", name, "package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string };
  return {
    name: `${name} ${version}`,
    installed: existsSync(join(pulumiHome, "plugins", `resource-${name}-v${version}`)),
  };
}

/** Who built the machine, in the words of its firmware. */
function vendor(): string {
  try {
    return readFileSync("/sys/class/dmi/id/sys_vendor", "utf8");
  } catch {
    return "";
  }
}
