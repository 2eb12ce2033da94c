/** The command line of `render` and `ignition`: what a node gets, shown without making anything. */
import type { Command } from "commander";
import { type CommonOptions, makeContext } from "./context.ts";
import { common, help, overCommitted, overLast, settable } from "./options.ts";
import { resolveStack } from "./stack.ts";

interface RenderCommandOptions extends CommonOptions {
  readonly name?: string;
  readonly set?: readonly string[];
  readonly out?: string;
  readonly write?: string;
}

/** Adds `render` and `ignition`. */
export function addRender(program: Command): void {
  settable(overLast, common(program.command("render")))
    .description("show every file a node would get; secrets are left out")
    .argument("<node>", "its name")
    .argument("[stack]", "the stack (default: ci)")
    .option("--name <name>", "a stack of another name, made like [stack]")
    .option("--out <folder>", "write the files there instead of printing them")
    .addHelpText("after", help(["render server-1", "render agent-1 --set agents=4 --out files"]))
    .action(async (node: string, positional: string | undefined, options: RenderCommandOptions) => {
      const context = makeContext(options);
      const { render } = await import("./verbs/render.ts");
      const out = options.out === undefined ? {} : { out: options.out };
      const stack = await resolveStack(context.paths, positional, options.name);
      await render(context, stack, node, { settings: options.set ?? [], ...out });
    });
  settable(overCommitted, common(program.command("ignition")))
    .description("print what a machine with Fedora CoreOS is installed with, before it is there too")
    .argument("<node>", "its name")
    .argument("[stack]", "the stack (default: ci)")
    .option("--name <name>", "a stack of another name, made like [stack]")
    .option("--write <file>", "write it there, and say how the installation medium is made of it")
    .addHelpText("after", help(["ignition metal-1 homelab", "ignition metal-1 homelab --write metal-1.ign"]))
    .action(async (node: string, positional: string | undefined, options: RenderCommandOptions) => {
      const context = makeContext(options);
      const { ignition } = await import("./verbs/ignition.ts");
      const write = options.write === undefined ? {} : { write: options.write };
      const stack = await resolveStack(context.paths, positional, options.name);
      await ignition(context, stack, node, { settings: options.set ?? [], ...write });
    });
}
