/** The command line of `paths`. */
import type { Command } from "commander";
import type { CommonOptions } from "./context.ts";
import { makeContext } from "./context.ts";
import { common, help } from "./options.ts";
import { resolveStack } from "./stack.ts";

interface PathsCommandOptions extends CommonOptions {
  readonly name?: string;
  readonly svg?: string;
  readonly throughput?: boolean;
}

/** Adds `paths`. */
export function addPaths(program: Command): void {
  common(program.command("paths"))
    .description("measure how packets get from each node to each other")
    .argument("[stack]", "the topology, Pulumi.<stack>.yaml, or an existing stack (default: ci)")
    .option("--name <name>", "a stack of another name, made like [stack]")
    .option("--svg <file>", "draw a map of sites and nodes into this file")
    .option("--throughput", "send bytes between the pods of the smoke test too, up to 5 s a pair")
    .addHelpText(
      "after",
      `
Shows for each node its tailnet address, where flannel sends packets for its pods, MTUs, kind of NAT (unknown where only
one relay answers) and preferred relay; for each pair direct or relay, endpoint, round trip (median of three pings) and
the network device to the peer; beside the round trip of two nodes of one site their LAN's, which is below the tunnel
(where the other answers pings). Idle pairs are woken first. Two nodes of one site that use a relay or are more than 20 ms
apart are pointed out; the exit code stays 0.
${help(["paths", "paths --svg paths.svg --throughput", "paths lightsail --json"])}`,
    )
    .action(async (positional: string | undefined, options: PathsCommandOptions) => {
      const context = makeContext(options);
      const { paths } = await import("./verbs/paths.ts");
      await paths(context, await resolveStack(context.paths, positional, options.name), options);
    });
}
