/** Doctor's look at the machines of a stack that exist already: the probe with which the provider looks before it changes one. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { judgeMachine, parseMachineProbe } from "../../components/render/machine-probe.ts";
import { capture } from "../cluster.ts";
import type { Captured } from "../cluster.ts";
import { clusterNameOf } from "../cluster-name.ts";
import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import type { Resource } from "../deployment.ts";
import { InputError } from "../errors.ts";
import { withTemporaryFolder } from "../pulumi-environment.ts";
import { settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import { describeChecks } from "./checks.ts";
import type { Check } from "./checks.ts";
import { type ClusterAccess, type SshPlace, clusterAccess, sshArguments, sshProblem } from "./ssh.ts";

/** A look takes a second; a machine that is slow has more. */
const timeoutMs = 30_000;

const anotherKey = (stack: string, node: string): string =>
  `find out why; a machine that was installed anew: its new key into \`existing.hostKey\`, or ./homespan recreate ${stack} --node ${node}`;

/** As much of an agent as it takes to look at it: what is wrong with it is config's to say. */
const agentSchema = z.object({
  name: z.string().optional(),
  existing: z.object({
    address: z.string().regex(/^[^-\s][^\s@]*$/),
    port: z.number().int().default(22),
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]*$/)
      .default("root"),
    hostKey: z.string().optional(),
  }),
});

interface Place extends SshPlace {
  readonly node: string;
  /** True once it is in the stack's state. */
  readonly joined: boolean;
}

/**
 * Looks at all of them, at the same time.
 *
 * @param which `new`: only those that no run has joined yet
 */
export async function examineExisting(
  context: Context,
  stack: string,
  config: StackFile,
  which: "all" | "new",
): Promise<Check[]> {
  const places = placesOf(config, await readResources(context.paths, stack));
  const wanted = places.filter(({ joined }) => which === "all" || !joined);
  if (wanted.length === 0) return [];
  const clusterName = await clusterNameOf(context, stack, config);
  const script = await readFile(join(context.paths.checkout, "boot/machine/existing/probe"), "utf8");
  // Also for one that no run has joined: somebody may have let the key in by hand.
  const access = await clusterAccess(context, stack);
  return withTemporaryFolder(context, async (folder) => {
    const checks = await Promise.all(
      wanted.map(async (place) => {
        const now = Date.now();
        const answer = await capture(
          context,
          "ssh",
          [...(await sshArguments(context, place, { folder, access })), asRoot(place)],
          timeoutMs,
          script,
        );
        return judge(answer, place, { stack, clusterName, access, now });
      }),
    );
    return checks.flat();
  });
}

/**
 * @throws InputError naming everything that keeps a machine out of the cluster
 */
export function requireJoinable(checks: readonly Check[]): void {
  const problems = checks.filter(({ result }) => result === "problem");
  if (problems.length === 0) return;
  throw new InputError(`these machines cannot join yet; nothing was created:\n${describeChecks(problems)}`);
}

function placesOf(config: StackFile, resources: readonly Resource[]): Place[] {
  const agents = settingOf(config, "agents");
  if (!Array.isArray(agents)) return [];
  return agents.flatMap((agent: unknown, index): Place[] => {
    const parsed = agentSchema.safeParse(agent);
    if (!parsed.success) return [];
    const { name = `agent-${String(index + 1)}`, existing } = parsed.data;
    const resource = resources.find(
      ({ type, inputs }) => type === "homespan:index:ExistingMachine" && inputs?.["nodeName"] === name,
    );
    const known = resource?.outputs?.["knownHostKey"];
    const { hostKey = typeof known === "string" ? known : undefined, ...place } = existing;
    return [{ node: name, ...place, hostKey, joined: resource !== undefined }];
  });
}

function asRoot({ user }: SshPlace): string {
  return `${user === "root" ? "" : "sudo -n "}/bin/sh -s`;
}

interface Known {
  readonly stack: string;
  readonly clusterName: string;
  readonly access: ClusterAccess | undefined;
  readonly now: number;
}

function judge(answer: Captured, place: Place, { stack, clusterName, access, now }: Known): Check[] {
  const named = (check: Check): Check => ({ ...check, name: `${place.node} ${check.name}` });
  if (answer.missing === true) {
    return [
      named({
        name: "ssh",
        result: "notice",
        message: "ssh is not installed here: `up` looks at the machine itself",
      }),
    ];
  }
  if (!answer.ok) {
    const known = { anotherKey: anotherKey(stack, place.node), access };
    return [named(sshProblem(answer.text, place, known))];
  }
  try {
    const facts = parseMachineProbe(answer.text);
    return judgeMachine(facts, { clusterName, nodeName: place.node, now }).map(named);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [
      named({ name: "ssh", result: "problem", message, fix: "log in there by hand and see what is said" }),
    ];
  }
}
