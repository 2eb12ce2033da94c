/** The command line of `rehearse`. */
import type { Command } from "commander";
import type { CommonOptions } from "./context.ts";
import { makeContext } from "./context.ts";
import { InputError, didYouMean } from "./errors.ts";
import { common, help, overCommitted, parsePort, parsePositive, settable, timed } from "./options.ts";
import { resolveStack } from "./stack.ts";

interface RehearseCommandOptions extends CommonOptions {
  readonly set?: readonly string[];
  readonly timeout?: number;
  readonly match?: string;
  readonly error?: string;
  readonly times?: number;
  readonly registry?: number;
}

const faultHelp = `
Faults, for as long as the rehearsal is there (docs/rehearsal.md lists calls and errors):
  fault [list]          what is still to be met, what was met, how the machines are
  fault CALL --error E  a call of the clouds fails: AWS's by its name, Tailscale's as "POST keys"
  fault clear           forgets all that is to be met
  fault stop NODE       stops its machine;     fault start NODE    starts it, also after kill
  fault kill NODE       takes its power away;  fault restart NODE  restarts it
  fault cut NODE        cuts its network off;  fault mend NODE     gives the network back
  fault delete NODE     deletes its machine, as AWS's console, limactl or virsh does
`;

/** Adds `rehearse`, which takes a stack and what to do with it: `up` where nothing is said. */
export function addRehearse(program: Command): void {
  settable(overCommitted, timed(common(program.command("rehearse")), 30))
    .description("run a stack of the cloud or of a home, as it is, against stand-ins on this machine")
    .argument("<stack>", "the topology: lightsail or homelab")
    .argument("[verb]", "up, preview, home, status, destroy, env or fault (default: up)", "up")
    .argument("[words...]", "of fault: see below")
    .option(
      "--registry <port>",
      "up, preview: an image registry that every node pulls from, pushed to at this port of 127.0.0.1; without it there is none",
      parsePort,
    )
    .option("--match <text>", "fault CALL: part of the name of what the call is about (default: any)")
    .option("--error <error>", "fault CALL: what the call meets, such as ThrottlingException or timeout")
    .option("--times <number>", "fault CALL: how many calls meet it (default: 1)", parsePositive)
    .addHelpText(
      "after",
      `${faultHelp}${help([
        "rehearse lightsail",
        'rehearse lightsail env  # then: eval "$(./homespan rehearse lightsail env)"; ./homespan status lightsail',
        "rehearse lightsail fault CreateInstances --match server-2 --error ThrottlingException --times 3",
        "rehearse lightsail fault delete server-2",
        "rehearse lightsail destroy",
        "rehearse lightsail --registry 5001  # then: podman push --tls-verify=false localhost:5001/app:1",
        "rehearse homelab",
      ])}`,
    )
    .action(async (topology: string, verb: string, words: string[], options: RehearseCommandOptions) => {
      const context = makeContext(options);
      const stack = await resolveStack(context.paths, topology, undefined);
      const { rehearse, rehearsedVerbs } = await import("./verbs/rehearse.ts");
      const known = rehearsedVerbs.find((it) => it === verb);
      if (known === undefined) {
        throw new InputError(
          `[verb] must be one of ${rehearsedVerbs.join(", ")}, got "${verb}"${didYouMean(verb, rehearsedVerbs)}`,
        );
      }
      const { match, error, times } = options;
      const fault = {
        ...(match === undefined ? {} : { match }),
        ...(error === undefined ? {} : { error }),
        ...(times === undefined ? {} : { times }),
      };
      if (known !== "fault" && (words.length > 0 || Object.keys(fault).length > 0)) {
        const given = [...words, ...Object.keys(fault).map((name) => `--${name}`)].join(" ");
        throw new InputError(`rehearse ${stack.name} ${known} takes no more words, got ${given}`);
      }
      const { registry } = options;
      if (registry !== undefined && known !== "up" && known !== "preview") {
        throw new InputError(`\`--registry\` must be left out with ${known}: up and preview start one`);
      }
      await rehearse(context, stack, known, {
        ...(registry === undefined ? {} : { registryPort: registry }),
        settings: options.set ?? [],
        timeoutMinutes: options.timeout ?? 30,
        words,
        fault,
      });
    });
}
