/** A stack of the cloud, run as it is against stand-in clouds on this machine (docs/rehearsal.md). */
import { existsSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ControlOrder, Rehearsal } from "../../rehearsal/rehearsal.ts";
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import { toolEnvironment } from "../environment.ts";
import { Failure, InputError } from "../errors.ts";
import { recover } from "../operation.ts";
import { resolvePaths } from "../paths.ts";
import { pulumi } from "../pulumi.ts";
import { settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import type { Stack } from "../stack.ts";
import { composeConfig, removeEmptyState } from "../state.ts";
import type { FaultOptions } from "./fault.ts";

export interface RehearseOptions {
  readonly settings: readonly string[];
  readonly timeoutMinutes: number;
  /** What follows `fault`. */
  readonly words?: readonly string[];
  readonly fault?: FaultOptions;
}

/** What can be done in a rehearsal, beside the verbs that `rehearse ... env` makes work there. */
export const rehearsedVerbs = ["up", "preview", "home", "status", "destroy", "env", "fault"] as const;
export type RehearsedVerb = (typeof rehearsedVerbs)[number];

/** Topologies that have a stand-in for everything they ask of others. */
const rehearsable = ["lightsail"];

/**
 * Runs one verb on the stack in its rehearsal.
 *
 * @throws InputError for a stack that cannot be rehearsed, or a rehearsal that does not run
 */
export async function rehearse(
  context: Context,
  stack: Stack,
  verb: RehearsedVerb,
  options: RehearseOptions,
): Promise<void> {
  if (!rehearsable.includes(stack.topology)) {
    throw new InputError(
      `[stack] must be ${rehearsable.join(" or ")} to be rehearsed, got "${stack.topology}"; ci runs on this machine as it is`,
    );
  }
  // The rehearsal runs Podman from this process, which every other verb leaves to those it starts.
  Object.assign(process.env, toolEnvironment(context.paths, context.environment));
  const folder = folderOf(context, stack, verb);
  const rehearsal = new Rehearsal(folder, `rehearsal-${stack.name}`);
  switch (verb) {
    case "fault": {
      const { fault } = await import("./fault.ts");
      return fault(context, stack, folder, options.words ?? [], options.fault ?? {});
    }
    case "up":
    case "preview":
    case "home":
      return run(context, stack, verb, rehearsal, options);
    case "destroy":
      return destroy(context, stack, rehearsal, options);
    case "status":
    case "env":
      return look(context, stack, verb, rehearsal, options);
  }
}

/**
 * The rehearsal's folder, also for whoever is in its environment already.
 *
 * @throws InputError for a verb that needs this machine as it is
 */
function folderOf({ paths, environment }: Context, stack: Stack, verb: RehearsedVerb): string {
  const inside = environment["HOMESPAN_REHEARSAL"] ?? "";
  if (inside === "" || basename(inside) !== stack.name) return join(paths.state, "rehearsal", stack.name);
  if (["status", "env", "fault"].includes(verb)) return inside;
  throw new InputError(
    `rehearse ${stack.name} ${verb} must be run outside of the rehearsal's environment, got HOMESPAN_REHEARSAL; use another shell`,
  );
}

async function run(
  context: Context,
  stack: Stack,
  verb: "up" | "preview" | "home",
  rehearsal: Rehearsal,
  { settings, timeoutMinutes }: RehearseOptions,
): Promise<void> {
  const config = await composeConfig(context.paths, stack, settings);
  const started = Date.now();
  const { machine, tools, images } = await context.machine.prepare(context, ["core", "rehearsal"]);
  const tool = (name: string): { path: string; version: string } => {
    const found = tools.find((row) => row.tool === name);
    if (found?.path == null)
      throw new Failure(`${name} is not installed; run: ./homespan toolchain --prepare`);
    return { path: found.path, version: found.version };
  };
  const { region, domain, control, sshSources } = rehearsedSettings(config);
  const cluster = toolEnvironment(context.paths, context.environment);
  const environment = await rehearsal.start({
    region,
    domain,
    control,
    sshSources,
    cache: join(context.paths.cache, "rehearsal"),
    arch: machine.arch,
    programs: {
      ...{ k3s: tool("k3s"), tailscale: tool("tailscale"), tailscaled: tool("tailscaled") },
      versitygw: tool("versitygw"),
    },
    imagesDirectory: images.length === 0 ? undefined : cluster["HOMESPAN_CLUSTER_IMAGES"],
    pluginsOf: join(context.paths.cache, "pulumi-home"),
  });
  if (Date.now() - started > 2000) {
    context.console.info(`the rehearsed clouds are ready (${duration(Date.now() - started)})`);
  }
  if (verb === "home") {
    const { address, user } = await rehearsal.home();
    const agent = { name: "home-1", existing: { address, user, site: "home" } };
    context.console.out(
      `a machine at home answers; to have it in the cluster:\n./homespan rehearse ${stack.name} --set 'agents=${JSON.stringify([agent])}'`,
    );
    return;
  }
  const inside = contextOf(context, rehearsal, environment);
  const rehearsed = [...settings, ...ownAuthority(control, rehearsal)];
  if (verb === "preview") {
    const { preview } = await import("./preview.ts");
    await preview(inside, stack, rehearsed);
    return;
  }
  const { up } = await import("./up.ts");
  await up(inside, stack, { settings: rehearsed, timeoutMinutes });
  context.console.info(
    `\neval "$(./homespan rehearse ${stack.name} env)" lets every other verb, and pulumi, work on it`,
  );
}

/** The one setting a rehearsal has to change: its Headscale has another CA than the one whose part it plays. */
function ownAuthority(control: ControlOrder, { caFile }: Rehearsal): string[] {
  return control.kind === "headscale" && !control.trusted ? [`tailnet.caFile=${JSON.stringify(caFile)}`] : [];
}

/**
 * What the stand-ins have to be like; a value that is missing or wrong is config's to refuse, with its own words.
 *
 * @throws InputError for what no rehearsal can play
 */
function rehearsedSettings(config: StackFile): {
  readonly region: string;
  readonly domain: string;
  readonly control: ControlOrder;
  readonly sshSources: readonly string[];
} {
  const region = settingOf(config, "region");
  const tailnet = settingOf(config, "tailnet");
  const sources = settingOf(config, "sshAllowedCidrs");
  const told = typeof tailnet === "object" && tailnet !== null ? (tailnet as Record<string, unknown>) : {};
  const { domain } = told;
  return {
    region: typeof region === "string" ? region : "eu-central-1",
    domain: typeof domain === "string" ? domain : "rehearsal.ts.net",
    control: rehearsedControl(told),
    sshSources: Array.isArray(sources) ? sources.filter((it) => typeof it === "string") : [],
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

/** The stack goes first, by its own destroy, as the stand-ins check that nothing is left in their books; then they go. */
async function destroy(
  context: Context,
  stack: Stack,
  rehearsal: Rehearsal,
  { timeoutMinutes }: RehearseOptions,
): Promise<void> {
  if (!existsSync(rehearsal.folder)) {
    context.console.out(`the rehearsal of ${stack.name} does not exist; nothing to do`);
    return;
  }
  const environment = await resumed(context, rehearsal);
  if (environment !== undefined) {
    const inside = contextOf(context, rehearsal, environment);
    if ((await readResources(inside.paths, stack.name)).length > 0) {
      // The lock of a run that was killed would stop what comes next.
      await recover(inside, stack.name);
      // A disk is protected, as its data would be lost: here there is none.
      const unprotect = ["state", "unprotect", "--all", "--yes", "--stack", stack.name];
      await pulumi(inside, unprotect, { cwd: inside.paths.config });
    }
    const { destroy: destroyStack } = await import("./destroy.ts");
    await destroyStack(inside, stack, { timeoutMinutes });
  }
  const left = await rehearsal.ordered();
  await rehearsal.end();
  await rm(rehearsal.folder, { recursive: true, force: true });
  // Goes with the last one, and the state folder with it where nothing else is kept.
  await rmdir(dirname(rehearsal.folder)).catch(() => undefined);
  await removeEmptyState(context.paths);
  if (left.length > 0) {
    throw new Failure(`destroy left this in the rehearsed clouds' books:\n${left.join("\n")}`, { left });
  }
}

/** The stack is destroyed with the help of its clouds; where those do not come back, what they kept goes with them. */
async function resumed(
  context: Context,
  rehearsal: Rehearsal,
): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    return await rehearsal.resume();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    context.console.warn(`the rehearsed clouds do not come back: ${reason}; the stack goes with them`);
    return undefined;
  }
}

async function look(
  context: Context,
  stack: Stack,
  verb: "status" | "env",
  rehearsal: Rehearsal,
  { settings }: RehearseOptions,
): Promise<void> {
  const environment = await rehearsal.environment();
  if (environment === undefined) {
    throw new InputError(
      `no rehearsal of ${stack.name} runs; start it with: ./homespan rehearse ${stack.name}`,
    );
  }
  const inside = contextOf(context, rehearsal, environment);
  if (verb === "status") {
    const { status } = await import("./status.ts");
    await status(inside, stack);
    return;
  }
  const { env } = await import("./env.ts");
  await env(inside, stack, settings, environment);
}

/** The same command line, inside the rehearsal: its own state, and the stand-ins' addresses. Nothing real can be lost in it. */
function contextOf(
  context: Context,
  rehearsal: Rehearsal,
  additions: Readonly<Record<string, string>>,
): Context {
  const environment = {
    ...context.environment,
    ...additions,
    HOMESPAN_CACHE: context.paths.cache,
    HOMESPAN_STATE: join(rehearsal.folder, "state"),
  };
  return { ...context, environment, paths: resolvePaths(environment, context.paths.checkout), yes: true };
}
