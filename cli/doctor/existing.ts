/** Doctor's look at the machines of a stack that exist already: the probe with which the provider looks before it changes one. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { judgeMachine, parseMachineProbe } from "../../components/render/machine-probe.ts";
import { capture } from "../cluster.ts";
import type { Captured } from "../cluster.ts";
import type { Context } from "../context.ts";
import { readResources, revealOutputs } from "../deployment.ts";
import type { Resource } from "../deployment.ts";
import { InputError } from "../errors.ts";
import { withTemporaryFolder } from "../pulumi-environment.ts";
import { settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import { writePrivate } from "../state.ts";
import { describeChecks } from "./checks.ts";
import type { Check } from "./checks.ts";

const keyVariable = "HOMESPAN_SSH_KEY";
/** A look takes a second; a machine that is slow has more. */
const timeoutMs = 30_000;

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

interface Place {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** What it must show; undefined: whatever it shows. */
  readonly hostKey: string | undefined;
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
  const configured = settingOf(config, "clusterName");
  const clusterName = typeof configured === "string" ? configured : stack;
  const script = await readFile(join(context.paths.checkout, "boot/machine/existing/probe"), "utf8");
  const clusterKey = wanted.some(({ joined }) => joined) ? await keyOf(context, stack) : undefined;
  return withTemporaryFolder(context, async (folder) => {
    const checks = await Promise.all(
      wanted.map(async (place) => {
        const files = { folder, clusterKey: place.joined ? clusterKey : undefined };
        const now = Date.now();
        const answer = await capture(
          context,
          "ssh",
          await sshArguments(context, place, files),
          timeoutMs,
          script,
        );
        return judge(answer, place, { clusterName, now });
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

/** The cluster's key, which a machine that joined lets in; undefined where there are no outputs yet. */
async function keyOf(context: Context, stack: string): Promise<string | undefined> {
  const outputs = await revealOutputs(context, stack).catch((): Record<string, unknown> => ({}));
  const key = outputs["sshPrivateKey"];
  return typeof key === "string" ? key : undefined;
}

/** Keys of the agent come by themselves. Without a known host key nothing is told to the machine but the probe. */
async function sshArguments(
  context: Context,
  { address, port, user, hostKey }: Place,
  { folder, clusterKey }: { readonly folder: string; readonly clusterKey: string | undefined },
): Promise<string[]> {
  const write = async (name: string, content: string): Promise<string> => {
    const file = join(folder, `${name}-${randomUUID()}`);
    await writePrivate(file, content);
    return file;
  };
  const own = context.environment[keyVariable] ?? "";
  const host = port === 22 ? address : `[${address}]:${String(port)}`;
  const options =
    hostKey === undefined
      ? ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
      : [
          "StrictHostKeyChecking=yes",
          `UserKnownHostsFile=${await write("known-hosts", `${host} ${hostKey}\n`)}`,
        ];
  return [
    ...["-F", "none", "-p", String(port)],
    ...(clusterKey === undefined ? [] : ["-i", await write("ssh-key", clusterKey)]),
    ...(own === "" ? [] : ["-i", own]),
    ...["BatchMode=yes", "ConnectTimeout=8", "LogLevel=ERROR", ...options].flatMap((option) => [
      "-o",
      option,
    ]),
    `${user}@${address}`,
    `${user === "root" ? "" : "sudo -n "}/bin/sh -s`,
  ];
}

function judge(
  answer: Captured,
  place: Place,
  { clusterName, now }: { readonly clusterName: string; readonly now: number },
): Check[] {
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
  if (!answer.ok) return [named(sshProblem(answer.text, place))];
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

function sshProblem(said: string, { user, address, port }: Place): Check {
  const place = `${user}@${address}:${String(port)}`;
  const last = said.split("\n").at(-1) ?? "";
  const problem = (message: string, fix: string): Check => ({ name: "ssh", result: "problem", message, fix });
  if (/sudo/.test(said)) {
    return problem(
      `${place}: ${user} cannot become root without a password (${last})`,
      `there: echo '${user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/homespan`,
    );
  }
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION/i.test(said)) {
    return problem(
      `${place} shows another host key than the known one`,
      "find out why; a machine that was installed anew: its new key into `existing.hostKey`, or recreate --node",
    );
  }
  if (/Permission denied/i.test(said)) {
    return problem(
      `${place} does not take a key of yours`,
      `name one in ${keyVariable} (a file without a passphrase), or give it to an ssh-agent (ssh-add)`,
    );
  }
  return problem(
    `${place} does not answer: ${last}`,
    "is it on, and reached from here? ssh " + `${user}@${address} -p ${String(port)}`,
  );
}
