/** Doctor's part about nodes at home: the stack whose cluster they join, what virtual machines need here, their hosts and the Mac. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { VM_PROGRAMS } from "../../toolchain/elsewhere.ts";
import { clusterNameOf } from "../cluster-name.ts";
import type { Context } from "../context.ts";
import { readOutputs } from "../deployment.ts";
import { childEnvironment } from "../environment.ts";
import { joinedStack, settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import type { Check } from "./checks.ts";
import { examineMac } from "./mac.ts";
import { examineVmHosts } from "./vm-hosts.ts";

/** What the checks judge. */
export interface HomeFacts {
  /** The stack whose cluster is joined, with what its outputs say; undefined for a cluster of its own. */
  readonly joined?: { readonly stack: string; readonly outputs: Readonly<Record<string, unknown>> };
  /** Nodes in virtual machines on libvirt. */
  readonly vms: number;
  /** Programs that libvirt's provider and the image's check run, and that are not on PATH. */
  readonly missing: readonly string[];
}

/** Program -> what it is for. */
const programs: Readonly<Record<string, string>> = {
  virsh: "hosts are asked with it what they have",
  xsltproc: "libvirt's provider applies the stylesheet of a machine with it",
  gpgv: "an image's signature is checked with it",
};

/**
 * Empty for a stack without nodes at home.
 *
 * @param stack - its name, which is its cluster's where nothing else is said
 */
export async function examineHome(
  context: Context,
  stack: string,
  config: StackFile,
): Promise<readonly Check[]> {
  const facts = await homeFacts(context, config);
  const clusterName = await clusterNameOf(context, stack, config);
  const [hosts, mac] = await Promise.all([
    facts.vms === 0
      ? []
      : facts.missing.includes("virsh")
        ? [unseen(facts)]
        : examineVmHosts(context, config),
    examineMac(context, stack, config, clusterName),
  ]);
  return [...checkHome(facts), ...hosts, ...mac];
}

/** What is told of this machine alone. */
export function checkHome(facts: HomeFacts, installer: Installer = ownInstaller()): readonly Check[] {
  return [
    ...(facts.joined === undefined ? [] : [joinable(facts.joined)]),
    ...(facts.vms === 0 ? [] : [tools(facts, installer)]),
  ];
}

function joinable({ stack, outputs }: NonNullable<HomeFacts["joined"]>): Check {
  const name = "join";
  if (outputs["join"] !== undefined) {
    return { name, result: "ok", message: `stack ${stack} offers its cluster ${clusterOf(outputs)}` };
  }
  const message =
    outputs["clusterName"] === undefined
      ? `stack ${stack}, whose cluster is to be joined, is not up here`
      : `stack ${stack} was brought up by a version of Homespan that offers nothing to agents of others`;
  return { name, result: "problem", message, fix: `./homespan up ${stack}` };
}

function clusterOf({ clusterName }: Readonly<Record<string, unknown>>): string {
  return typeof clusterName === "string" ? clusterName : "";
}

/** What installs programs on this machine; `other` on a Linux that is neither Debian nor a child of it. */
type Installer = "brew" | "apt-get" | "other";

function ownInstaller(): Installer {
  if (process.platform === "darwin") return "brew";
  return isOn(process.env["PATH"] ?? "", "apt-get") ? "apt-get" : "other";
}

function installFix(missing: readonly string[], installer: Installer): string {
  const kind = installer === "brew" ? "homebrew" : "debian";
  const names = missing.map((program) => VM_PROGRAMS[program]?.[kind] ?? program).join(" ");
  return installer === "other"
    ? `install your distribution's packages of: ${names}`
    : `${installer} install ${names}`;
}

function tools({ missing }: HomeFacts, installer: Installer): Check {
  const name = "libvirt";
  if (missing.length === 0)
    return { name, result: "ok", message: `${Object.keys(programs).join(", ")} are there` };
  return {
    name,
    result: "problem",
    message: missing.map((program) => `${program} is missing: ${programs[program] ?? ""}`).join("; "),
    fix: installFix(missing, installer),
  };
}

/** What is not looked at is said: `up` looks at it before anything is made. */
function unseen({ vms }: HomeFacts): Check {
  return {
    name: "hosts",
    result: "notice",
    message: `${vms} nodes in virtual machines: their hosts are not looked at without virsh`,
  };
}

async function homeFacts(context: Context, config: StackFile): Promise<HomeFacts> {
  const stack = joinedStack(config);
  const nodes = ["servers", "agents"].flatMap((key) => {
    const list = settingOf(config, key);
    return Array.isArray(list) ? (list as readonly unknown[]) : [];
  });
  const vms = nodes.filter((node) => typeof node === "object" && node !== null && "vm" in node);
  const path = childEnvironment(context.paths, context.environment)["PATH"] ?? "";
  return {
    ...(stack === undefined ? {} : { joined: { stack, outputs: await readOutputs(context.paths, stack) } }),
    vms: vms.length,
    missing: Object.keys(programs).filter((program) => !isOn(path, program)),
  };
}

function isOn(path: string, program: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
