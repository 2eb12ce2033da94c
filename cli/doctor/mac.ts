/** Doctor's look at the machine that runs Lima, with the probe by which the provider looks before it makes a virtual machine. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type LimaBlueprint, usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { limaLookScript, parseLimaLook } from "../../components/render/lima-look.ts";
import { judgeLimaMac } from "../../components/render/lima-mac.ts";
import { limaAgentPlans, limaRoom } from "../../components/render/lima-plan.ts";
import { capture } from "../cluster.ts";
import type { Captured } from "../cluster.ts";
import type { Context } from "../context.ts";
import { withTemporaryFolder } from "../pulumi-environment.ts";
import { settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import type { Check } from "./checks.ts";
import { type ClusterAccess, type SshPlace, clusterAccess, sshArguments, sshProblem } from "./ssh.ts";

/** limactl takes its time on a Mac that has just woken up. */
const timeoutMs = 30_000;
const anotherKey = "find out why; a Mac that was installed anew: its new key into `mac.hostKey`";

/** As much of the configuration as it takes to look: what is wrong with it is config's to say. */
const macSchema = z.object({
  address: z
    .string()
    .regex(/^[^-\s][^\s@]*$/)
    .optional(),
  port: z.number().int().default(22),
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/)
    .optional(),
  hostKey: z.string().optional(),
  network: z.object({ kind: z.string(), name: z.string().optional() }).default({ kind: "user-v2" }),
  startAt: z.enum(["boot", "login", "off"]).default("boot"),
  driver: z.enum(["vz", "qemu"]).optional(),
  blueprint: z.record(z.string(), z.unknown()).default({}),
});
type Mac = z.output<typeof macSchema>;

const agentSchema = z.object({ name: z.string().optional(), lima: z.record(z.string(), z.unknown()) });

/**
 * Empty for a stack without virtual machines of Lima's.
 *
 * @param clusterName - of the cluster they belong to: their names begin with it
 */
export async function examineMac(
  context: Context,
  stack: string,
  config: StackFile,
  clusterName: string,
): Promise<Check[]> {
  const mac = macSchema.safeParse(settingOf(config, "mac")).data;
  const agents = limaAgents(config);
  if (mac === undefined || agents.length === 0) return [];
  const probe = await readFile(join(context.paths.checkout, "provider/effects/lima/probe.sh"), "utf8");
  const { network, startAt } = mac;
  const wanted = [...(network.kind === "vmnet" ? ["vmnet"] : []), ...(startAt === "off" ? [] : [startAt])];
  const access = await clusterAccess(context, stack);
  const answer = await ask(context, mac, access, limaLookScript(probe, wanted));
  return judgeMac(answer, { mac, agents, clusterName, access });
}

async function ask(
  context: Context,
  mac: Mac,
  access: ClusterAccess | undefined,
  script: string,
): Promise<Captured> {
  if (mac.address === undefined) return capture(context, "/bin/sh", ["-s"], timeoutMs, script);
  const place = placeOf(mac);
  return withTemporaryFolder(context, async (folder) => {
    const line = [...(await sshArguments(context, place, { folder, access })), "/bin/sh -s"];
    return capture(context, "ssh", line, timeoutMs, script);
  });
}

/** Pure part of {@link examineMac}. */
function judgeMac(
  answer: Captured,
  {
    mac,
    agents,
    clusterName,
    access,
  }: {
    readonly mac: Mac;
    readonly agents: readonly { readonly nodeName: string; readonly lima: Record<string, unknown> }[];
    readonly clusterName: string;
    readonly access: ClusterAccess | undefined;
  },
): Check[] {
  const named = (check: Check): Check => ({ ...check, name: `mac ${check.name}` });
  if (answer.missing === true) {
    const message = "ssh is not installed here: `up` looks at the Mac itself";
    return [named({ name: "ssh", result: "notice", message })];
  }
  if (!answer.ok) return [named(sshProblem(answer.text, placeOf(mac), { anotherKey, access }))];
  try {
    const { facts, instances } = parseLimaLook(answer.text);
    const machines = limaAgentPlans({
      clusterName,
      blueprint: { ...usualLimaBlueprint, ...(mac.blueprint as Partial<LimaBlueprint>) },
      agents: agents.map(({ nodeName, lima: { sshPort, ...override } }) => ({
        nodeName,
        override,
        sshPort: typeof sshPort === "number" ? sshPort : undefined,
      })),
    }).map(limaRoom);
    const own = new Set(machines.map(({ name }) => name));
    const others = instances
      .filter(({ name }) => !own.has(name))
      .map((it) => ({ ...it, running: it.status === "Running" }));
    const vmnet = mac.network.kind === "vmnet" ? mac.network.name : undefined;
    const { driver, startAt } = mac;
    return judgeLimaMac(facts, { driver, vmnet, startAt, machines, others }).map(named);
  } catch (error) {
    // A blueprint or a name that cannot be is config's to refuse, with its own words.
    const message = error instanceof Error ? error.message : String(error);
    return [
      named({ name: "probe", result: "problem", message, fix: "log in there by hand and see what is said" }),
    ];
  }
}

function limaAgents(config: StackFile): { nodeName: string; lima: Record<string, unknown> }[] {
  const list = settingOf(config, "agents");
  if (!Array.isArray(list)) return [];
  return list.flatMap((given: unknown, index) => {
    const agent = agentSchema.safeParse(given).data;
    if (agent === undefined) return [];
    return [{ nodeName: agent.name ?? `agent-${String(index + 1)}`, lima: agent.lima }];
  });
}

function placeOf({ address = "", port, user = "", hostKey }: Mac): SshPlace {
  return { address, port, user, hostKey };
}
