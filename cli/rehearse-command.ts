/** The command line of `rehearse`. */
import type { Command } from "commander";
import type { CommonOptions } from "./context.ts";
import { makeContext } from "./context.ts";
import { InputError, didYouMean } from "./errors.ts";
import { common, help, overCommitted, settable, timed } from "./options.ts";
import { resolveStack } from "./stack.ts";

interface RehearseCommandOptions extends CommonOptions {
  readonly set?: readonly string[];
  readonly timeout?: number;
}

/** Adds `rehearse`, which takes a stack and what to do with it: `up` where nothing is said. */
export function addRehearse(program: Command): void {
  settable(overCommitted, timed(common(program.command("rehearse"))))
    .description("run a stack of the cloud, as it is, against stand-in clouds on this machine")
    .argument("<stack>", "the topology: lightsail")
    .argument("[verb]", "up, preview, home, status, destroy or env (default: up)", "up")
    .addHelpText(
      "after",
      help([
        "rehearse lightsail",
        'eval "$(./homespan rehearse lightsail env)"; ./homespan kubectl --stack lightsail get nodes',
        "rehearse lightsail destroy",
      ]),
    )
    .action(async (topology: string, verb: string, options: RehearseCommandOptions) => {
      const context = makeContext(options);
      const stack = await resolveStack(context.paths, topology, undefined);
      const { rehearse, rehearsedVerbs } = await import("./verbs/rehearse.ts");
      const known = rehearsedVerbs.find((it) => it === verb);
      if (known === undefined) {
        throw new InputError(
          `[verb] must be one of ${rehearsedVerbs.join(", ")}, got "${verb}"${didYouMean(verb, rehearsedVerbs)}`,
        );
      }
      await rehearse(context, stack, known, {
        settings: options.set ?? [],
        timeoutMinutes: options.timeout ?? 30,
      });
    });
}
