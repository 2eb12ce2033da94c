/** The virtual machines of one Mac, from one blueprint, before any of them is made: names, sizes, and where SSH answers. */
import { limaNameProblems } from "./lima.ts";
import { type LimaBlueprint, type LimaOverride, limaFromBlueprint } from "./lima-blueprint.ts";
import type { PlannedMachine } from "./lima-mac.ts";
import { cloudNames } from "./names.ts";

export interface LimaAgentPlan extends LimaBlueprint {
  readonly nodeName: string;
  /** Of the virtual machine. */
  readonly name: string;
  /** Of the disk that holds the node's data. */
  readonly dataDisk: string;
  /** Where SSH into it answers on the Mac's 127.0.0.1. */
  readonly sshPort: number;
}

export interface PlannedLimaAgent {
  readonly nodeName: string;
  /** @default as the blueprint says */
  readonly override?: LimaOverride | undefined;
  /**
   * Where SSH into it answers on the Mac's 127.0.0.1. It belongs to the node alone, so that no other is made anew when one is
   * taken out.
   *
   * @default 60100 and the number at the end of the node's name
   */
  readonly sshPort?: number | undefined;
}

export interface LimaAgents {
  readonly clusterName: string;
  readonly blueprint: LimaBlueprint;
  readonly agents: readonly PlannedLimaAgent[];
}

const firstPort = 60_100;
/** With a number below this. */
const mostNumbers = 1000;

/**
 * One plan for each agent.
 *
 * @throws RangeError with all that is wrong with any of them
 */
export function limaAgentPlans({ clusterName, blueprint, agents }: LimaAgents): LimaAgentPlan[] {
  const problems: string[] = [];
  const plans = agents.flatMap(({ nodeName, override, sshPort }, index): LimaAgentPlan[] => {
    const field = `agents[${index}]`;
    const { instance: name, disk: dataDisk } = cloudNames(clusterName, nodeName);
    const port = sshPort ?? limaSshPort(nodeName);
    problems.push(...limaNameProblems(`${field}.nodeName`, dataDisk));
    if (port === undefined) {
      problems.push(
        `\`${field}.sshPort\` must be given, as ${JSON.stringify(nodeName)} ends in no number below ${mostNumbers}, got nothing`,
      );
    }
    try {
      const sizes = limaFromBlueprint(blueprint, override);
      return port === undefined ? [] : [{ ...sizes, nodeName, name, dataDisk, sshPort: port }];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      problems.push(...error.message.split("\n").map((line) => line.replace(/^`/, `\`${field}.`)));
      return [];
    }
  });
  problems.push(...twice(plans));
  if (problems.length > 0) throw new RangeError(problems.join("\n"));
  return plans;
}

/** What it takes of its Mac, all its disks together: for `LimaMac`, which looks whether there is room. */
export function limaRoom({
  name,
  cpus,
  memoryMiB,
  diskGiB,
  dataDiskGiB,
  sshPort,
}: LimaAgentPlan): PlannedMachine {
  return { name, cpus, memoryMiB, diskGiB: diskGiB + dataDiskGiB, sshPort };
}

/** Where SSH answers where nothing else is said; undefined for a name without such a number. */
export function limaSshPort(nodeName: string): number | undefined {
  const [digits] = /\d+$/.exec(nodeName) ?? [];
  const number = Number(digits ?? mostNumbers);
  return number < mostNumbers ? firstPort + number : undefined;
}

function twice(plans: readonly LimaAgentPlan[]): string[] {
  return plans.flatMap((plan, index) => {
    const before = plans.slice(0, index);
    const name = before.find(({ nodeName }) => nodeName === plan.nodeName);
    const port = before.find(({ sshPort }) => sshPort === plan.sshPort);
    if (name !== undefined) {
      return [`\`agents\` must have each name once, got ${JSON.stringify(plan.nodeName)} twice`];
    }
    return port === undefined
      ? []
      : [
          `\`agents\` must have an SSH port each, got ${plan.sshPort} for ${port.nodeName} and ${plan.nodeName}`,
        ];
  });
}
