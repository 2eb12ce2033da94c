/** Pulumi's checkpoint of a stack, read from the file backend without starting pulumi: plain facts only, secrets stay encrypted. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Context } from "./context.ts";
import { Failure } from "./errors.ts";
import type { Paths } from "./paths.ts";
import type { Deployment, PendingResource, Settled } from "./pending.ts";
import { dependsOnPolicy, isOnHost, settlePending } from "./pending.ts";
import { pulumi } from "./pulumi.ts";
import { projectName } from "./stack.ts";
import { checkpointFile } from "./state.ts";

export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  /** It holds data, and Pulumi refuses to delete it. */
  readonly protect?: boolean;
}

interface Checkpoint {
  readonly checkpoint?: {
    readonly latest?: {
      readonly resources?: readonly Resource[];
      readonly pending_operations?: readonly { readonly type: string; readonly resource: Resource }[];
    };
  };
}

/** Undefined when there is no such stack. */
export async function readCheckpoint(paths: Paths, stack: string): Promise<Checkpoint | undefined> {
  const file = checkpointFile(paths, await projectName(paths), stack);
  if (!existsSync(file)) return undefined;
  return JSON.parse(await readFile(file, "utf8")) as Checkpoint;
}

export async function stackExists(paths: Paths, stack: string): Promise<boolean> {
  return (await readCheckpoint(paths, stack)) !== undefined;
}

/** @throws Failure when there is no such stack */
export async function requireStack(paths: Paths, stack: string): Promise<void> {
  if (await stackExists(paths, stack)) return;
  throw new Failure(`stack ${stack} does not exist; make it with: ./homespan up ${stack}`);
}

export async function readResources(paths: Paths, stack: string): Promise<readonly Resource[]> {
  return (await readCheckpoint(paths, stack))?.checkpoint?.latest?.resources ?? [];
}

/** Outputs of the stack; secret ones are still encrypted. */
export async function readOutputs(paths: Paths, stack: string): Promise<Readonly<Record<string, unknown>>> {
  const resources = await readResources(paths, stack);
  return resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

/** All outputs of the stack, secrets in the clear. */
export async function revealOutputs(
  context: Context,
  stack: string,
): Promise<Readonly<Record<string, unknown>>> {
  const text = await pulumi(context, ["stack", "output", "--json", "--show-secrets", "--stack", stack], {
    cwd: context.paths.config,
  });
  return JSON.parse(text) as Record<string, unknown>;
}

/**
 * Settles the operations that a killed run left open, and creations that ended without an answer.
 *
 * Whether they happened is found out by the next `up`: what exists is read by its refresh, and creating what exists already is no
 * error in this project. In the cloud it is: what may have been made there is taken for made until then. On hosts with libvirt it
 * is, too: they are asked.
 */
export async function settlePendingOperations(
  context: Context,
  stack: string,
  {
    unanswered = [],
    hosts = "ask",
  }: { readonly unanswered?: readonly PendingResource[]; readonly hosts?: "ask" | "leave" } = {},
): Promise<Omit<Settled, "deployment"> | undefined> {
  const pending = (await readCheckpoint(context.paths, stack))?.checkpoint?.latest?.pending_operations ?? [];
  if (pending.length + unanswered.length === 0) return undefined;
  const cwd = context.paths.config;
  // Secrets stay encrypted on the way.
  const exported = JSON.parse(await pulumi(context, ["stack", "export", "--stack", stack], { cwd })) as {
    deployment: Deployment;
  };
  const open = [
    ...(exported.deployment.pending_operations ?? []),
    ...unanswered.map((resource) => ({ type: "creating", resource })),
  ];
  if (hosts === "leave" && open.some(({ resource }) => isOnHost(resource))) return undefined;
  const unsettled = { ...exported.deployment, pending_operations: open };
  const made = open.map(({ resource }) => resource);
  const policy = dependsOnPolicy(made) ? await tailnetPolicy(context) : undefined;
  const ids = made.some(isOnHost) ? await onHosts(context, unsettled) : undefined;
  const { deployment, adopted, forgotten } = settlePending(unsettled, { policy, ids });
  await pulumi(context, ["stack", "import", "--stack", stack], {
    cwd,
    input: JSON.stringify({ ...exported, deployment }),
  });
  return { adopted, forgotten };
}

/** Undefined when it cannot be told: the run that follows needs the same credentials, and says what is wrong with them. */
async function tailnetPolicy({ environment }: Context): Promise<string | undefined> {
  const [{ TailscaleHttpApi }, { systemClock }] = await Promise.all([
    import("../provider/effects/tailscale-api.ts"),
    import("../provider/effects/wait.ts"),
  ]);
  return new TailscaleHttpApi(systemClock, environment).policy("-").catch(() => undefined);
}

async function onHosts(context: Context, deployment: Deployment): Promise<ReadonlyMap<string, string>> {
  const [{ settleOnHosts }, { VirshLibvirt }, { runTool }] = await Promise.all([
    import("./pending-libvirt.ts"),
    import("../provider/effects/libvirt.ts"),
    import("./run-tool.ts"),
  ]);
  return settleOnHosts(new VirshLibvirt(runTool(context, 60)), deployment);
}
