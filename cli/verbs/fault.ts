/** Faults of a rehearsal, by order: calls of the stand-in clouds that fail, machines that are lost. */
import {
  type FaultReport,
  faultOperations,
  machineFaults,
  RehearsedFaults,
  type MachineFaultName,
} from "../../rehearsal/faults.ts";
import { table } from "../console.ts";
import type { Context } from "../context.ts";
import { InputError, didYouMean } from "../errors.ts";
import type { Stack } from "../stack.ts";

export interface FaultOptions {
  /** Part of the name of what a call is about. */
  readonly match?: string;
  readonly error?: string;
  readonly times?: number;
}

const lists = ["list", "add", "clear"] as const;

/** What was done, in the words of who reads it. */
const done: Readonly<Record<MachineFaultName, string>> = {
  stop: "is stopped; until it is started again, or deleted, up cannot reach it",
  start: "is started",
  restart: "is restarted",
  kill: "is without power; until it is started again, or deleted, up cannot reach it",
  delete: "is deleted, as in AWS's console; the next up makes it again",
  cut: "has no network any more; until it is mended or restarted, up cannot reach it",
  mend: "has its network back",
};

/** Of a virtual machine on a Mac, what differs. */
const doneOnMac: Partial<typeof done> = {
  stop: "is stopped, by limactl on its Mac; the next up starts it",
  kill: "is without power; Lima has it stopped, and the next up starts it",
  delete: "is deleted, by limactl on its Mac; the next up makes it again, on its data disk",
};

/** Of a virtual machine on libvirt. */
const doneOnLibvirt: Partial<typeof done> = {
  stop: "is switched off, by virsh on its host; the next up starts it",
  kill: "is without power; the next up starts it",
  delete: "is deleted, by virsh on its host; the next up makes it again, on its data disk",
};
const doneElsewhere = { cloud: {}, mac: doneOnMac, libvirt: doneOnLibvirt } as const;

/**
 * `fault [list]`, `fault [add] OPERATION`, `fault clear`, `fault stop NODE` and the other things that happen to machines.
 *
 * @param folder the rehearsal's
 */
export async function fault(
  context: Context,
  stack: Stack,
  folder: string,
  words: readonly string[],
  options: FaultOptions,
): Promise<void> {
  const faults = new RehearsedFaults(folder);
  if (!(await faults.exists())) {
    throw new InputError(
      `no rehearsal of ${stack.name} is there to have faults; start it with: ./homespan rehearse ${stack.name}, or without machines: ./homespan rehearse ${stack.name} preview`,
    );
  }
  const [what = "list", ...rest] = words;
  const machineFault = machineFaults.find((it) => it === what);
  if (machineFault !== undefined) {
    noOptions(what, options);
    const node = one(what, "node", rest);
    const where = await faults.strike(machineFault, node);
    const elsewhere: Partial<typeof done> = doneElsewhere[where];
    const said = `${node} ${elsewhere[machineFault] ?? done[machineFault]}`;
    context.console.out(
      context.console.json ? JSON.stringify({ stack: stack.name, fault: machineFault, node }) : said,
    );
    return;
  }
  if (what === "list" || what === "clear") {
    noOptions(what, options);
    if (rest.length > 0) throw new InputError(`fault ${what} takes no more words, got "${rest.join(" ")}"`);
    if (what === "clear") await faults.clear();
    const report = await faults.report();
    context.console.out(
      context.console.json ? JSON.stringify({ stack: stack.name, ...report }) : reportText(report),
    );
    return;
  }
  // Operations of Tailscale are two words.
  const operation = (what === "add" ? rest : words).join(" ");
  const known = [...faultOperations, ...lists, ...machineFaults];
  if (operation === "") throw new InputError("fault add takes the name of a call, got none");
  if (what !== "add" && !faultOperations.includes(operation)) {
    throw new InputError(
      `[fault] must be ${lists.join(", ")}, ${machineFaults.join(", ")} or a call of the stand-in clouds, got "${operation}"${didYouMean(operation, known)}; calls: ${faultOperations.join(", ")}`,
    );
  }
  const { match, error, times } = options;
  const order = await faults.add({ operation, match, error, times });
  const calls = order.times === 1 ? "the next call" : `the next ${String(order.times)} calls`;
  const about = match === undefined ? "" : ` about ${match}`;
  context.console.out(
    context.console.json
      ? JSON.stringify({ stack: stack.name, fault: order })
      : `${calls} of ${operation}${about} will meet ${order.error}`,
  );
}

function one(fault: string, what: string, words: readonly string[]): string {
  const [word, ...more] = words;
  if (word !== undefined && more.length === 0) return word;
  throw new InputError(
    `fault ${fault} takes one ${what}, got ${word === undefined ? "none" : words.join(" ")}`,
  );
}

function noOptions(what: string, options: FaultOptions): void {
  const given = (["match", "error", "times"] as const).filter((name) => options[name] !== undefined);
  if (given.length === 0) return;
  const names = given.map((name) => `\`--${name}\``).join(" and ");
  throw new InputError(`${names} must go with a call of the stand-in clouds, got fault ${what}`);
}

function reportText({ pending, met, machines }: FaultReport): string {
  const open = pending.map(({ operation, match = "any", error, times }) => [
    ...[operation, match, error, String(times)],
  ]);
  const past = met.map(({ at, operation, subject, error }) => [at, operation, subject, error]);
  const states = machines.map(({ node, state }) => [node, state]);
  return [
    open.length === 0 ? "no fault is ordered" : table(["TO BE MET BY", "ABOUT", "ERROR", "TIMES"], open),
    past.length === 0 ? "none was met" : table(["MET AT", "CALL", "ABOUT", "ERROR"], past),
    states.length === 0 ? "there are no machines" : table(["NODE", "MACHINE"], states),
  ].join("\n\n");
}
