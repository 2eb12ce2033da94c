/** The command lines of `snapshot` and `restore`. */
import type { Command } from "commander";
import type { CommonOptions } from "./context.ts";
import { makeContext } from "./context.ts";
import { InputError, didYouMean } from "./errors.ts";
import { common, help, timed } from "./options.ts";
import { resolveStack } from "./stack.ts";

interface RestoreCommandOptions extends CommonOptions {
  readonly snapshot?: string;
  readonly timeout?: number;
}

const snapshotVerbs = ["take", "list"] as const;

/** Adds `snapshot`, which takes a stack and what to do: `take` where nothing is said; and `restore`. */
export function addSnapshots(program: Command): void {
  common(program.command("snapshot"))
    .description("take a snapshot of etcd now, or list those there are")
    .argument("[stack]", "the stack (default: ci)")
    .argument("[verb]", "take or list (default: take)", "take")
    .addHelpText("after", help(["snapshot lightsail", "snapshot lightsail list --json"]))
    .action(async (positional: string | undefined, verb: string, options: CommonOptions) => {
      const context = makeContext(options);
      const stack = await resolveStack(context.paths, positional, undefined);
      const { showSnapshots, takeSnapshot } = await import("./verbs/snapshot.ts");
      const known = snapshotVerbs.find((it) => it === verb);
      if (known === undefined) {
        throw new InputError(`[verb] must be take or list, got "${verb}"${didYouMean(verb, snapshotVerbs)}`);
      }
      await (known === "take" ? takeSnapshot(context, stack) : showSnapshots(context, stack));
    });
  timed(common(program.command("restore")))
    .description("bring a cluster back from a snapshot of etcd; what came after it is lost")
    .argument("<stack>", "the stack, one of machines")
    .option("--snapshot <name>", "its name, as `snapshot list` shows it, or latest (default: latest)")
    .addHelpText(
      "after",
      `
Machines that are gone are made again; those that run begin anew with the snapshot. Agents stay as they are. A restore that was
killed goes on when it is run again.
${help(["restore lightsail", "restore lightsail --snapshot on-demand-lightsail-server-1-1700000000 --yes"])}`,
    )
    .action(async (positional: string, options: RestoreCommandOptions) => {
      const context = makeContext(options);
      const { restore } = await import("./verbs/restore.ts");
      await restore(context, await resolveStack(context.paths, positional, undefined), {
        timeoutMinutes: options.timeout ?? 15,
        ...(options.snapshot === undefined ? {} : { snapshot: options.snapshot }),
      });
    });
}
