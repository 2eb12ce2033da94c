/** The command line: names, options and help of every verb. What a verb does is loaded when it is called. */
import { Command, Option } from "commander";
import { goCaches } from "../toolchain/folders.ts";
import type { CommonOptions, Context } from "./context.ts";
import { makeContext } from "./context.ts";
import {
  collect,
  common,
  exitCodes,
  help,
  overCommitted,
  overLast,
  parseMinutes,
  parsePositive,
  settable,
  timed,
} from "./options.ts";
import { addPaths } from "./paths-command.ts";
import { addRehearse } from "./rehearse-command.ts";
import { addRender } from "./render-command.ts";
import { addSnapshots } from "./snapshot-command.ts";
import type { Stack } from "./stack.ts";
import { resolveStack } from "./stack.ts";
import type { TestOptions } from "./verbs/test.ts";

interface StackOptions extends CommonOptions {
  readonly name?: string;
  readonly set?: readonly string[];
  readonly timeout?: number;
}

type StackAction<Options extends StackOptions> = (
  context: Context,
  stack: Stack,
  options: Options & { readonly set: readonly string[]; readonly timeout: number },
) => Promise<void>;

/** @param exit takes the exit code of a verb that passes another program's on. */
export function makeProgram(exit: (code: number) => void): Command {
  const program = new Command("homespan")
    .description("One k3s cluster over a tailnet, from machines that share no network.")
    .helpCommand("help [command]", "show help for a command")
    .helpOption("-h, --help", "show help")
    .showHelpAfterError("(--help shows what there is)")
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  ./homespan up                              bring up the ci stack: Podman nodes on this machine
  ./homespan up ci --name pr-123             another stack made like ci
  ./homespan up --set agents=3               config for this run, over the committed Pulumi.ci.yaml
  ./homespan kubectl get nodes
  eval "$(./homespan env)"; pulumi preview -s ci

Config:
  up and preview start from the committed Pulumi.<stack>.yaml, as do cost and ignition; what differs from the last run is named.
  All other verbs start from what the stack last ran with, its --set values included.
${exitCodes}`,
    );

  const stackVerb = <Options extends StackOptions>(
    name: string,
    description: string,
    examples: readonly string[],
    action: StackAction<Options>,
  ): Command =>
    common(program.command(name))
      .description(description)
      .argument("[stack]", "the topology, Pulumi.<stack>.yaml, or an existing stack (default: ci)")
      .option("--name <name>", "a stack of another name, made like [stack]")
      .addHelpText("after", help(examples))
      .action(async (positional: string | undefined, options: Options) => {
        const context = makeContext(options);
        const stack = await resolveStack(context.paths, positional, options.name);
        await action(context, stack, { ...options, set: options.set ?? [], timeout: options.timeout ?? 15 });
      });

  settable(
    overCommitted,
    timed(
      stackVerb(
        "up",
        "bring a stack up, or to what its config says now",
        ["up", "up ci --name pr-123 --set timeToLive=2h", "up --set servers=3 --set agents=1 --json"],
        async (context, stack, { set, timeout }) => {
          const { up } = await import("./verbs/up.ts");
          await up(context, stack, { settings: set, timeoutMinutes: timeout });
        },
      ),
    ),
  );
  settable(
    overCommitted,
    stackVerb(
      "preview",
      "show what up would change",
      ["preview", "preview --set agents=3"],
      async (context, stack, { set }) => {
        const { preview } = await import("./verbs/preview.ts");
        await preview(context, stack, set);
      },
    ),
  );
  timed(
    stackVerb(
      "destroy",
      "remove a stack with all data, and everything that bears its label",
      ["destroy", "destroy pr-123 --yes"],
      async (context, stack, { timeout }) => {
        const { destroy } = await import("./verbs/destroy.ts");
        await destroy(context, stack, { timeoutMinutes: timeout });
      },
    ),
  );
  settable(
    overLast,
    timed(
      stackVerb<StackOptions & { readonly node?: string }>(
        "recreate",
        "destroy and up in one, or one node with its data volume",
        ["recreate --yes", "recreate --node agent-1"],
        async (context, stack, { set, timeout, node }) => {
          const { recreate } = await import("./verbs/recreate.ts");
          const only = node === undefined ? {} : { node };
          await recreate(context, stack, { settings: set, timeoutMinutes: timeout, ...only });
        },
      ),
    ),
  ).option("--node <node>", "only this node; its data is lost, unless it is on a disk of its own");
  addRehearse(program);
  addSnapshots(program);
  stackVerb(
    "status",
    "show each node's stage, readiness and path",
    ["status", "status --json"],
    async (context, stack) => {
      const { status } = await import("./verbs/status.ts");
      await status(context, stack);
    },
  );
  addPaths(program);
  settable(
    overLast,
    stackVerb(
      "doctor",
      "find what keeps this machine or a node from working, with the fix",
      ["doctor", "doctor pr-123 --json"],
      async (context, stack, { set }) => {
        const { doctor } = await import("./verbs/doctor.ts");
        await doctor(context, stack, set);
      },
    ),
  );
  stackVerb<StackOptions & { readonly write?: string; readonly merge?: boolean }>(
    "kubeconfig",
    "print the admin kubeconfig",
    ["kubeconfig > config", "kubeconfig --write ~/.kube/ci.yaml", "kubeconfig --merge"],
    async (context, stack, options) => {
      const { kubeconfig } = await import("./verbs/kubeconfig.ts");
      await kubeconfig(context, stack, options);
    },
  )
    .option("--write <file>", "write it to a file, readable by you alone")
    .addOption(new Option("--merge", "merge it into your own kubeconfig").conflicts("write"));
  settable(
    overLast,
    stackVerb(
      "env",
      "print exports with which plain pulumi works on the same stacks",
      ['env  # then: eval "$(./homespan env)"; pulumi up -s ci'],
      async (context, stack, { set }) => {
        const { env } = await import("./verbs/env.ts");
        await env(context, stack, set);
      },
    ),
  );
  settable(
    overCommitted,
    stackVerb<StackOptions & { readonly watts?: number; readonly kwhPrice?: number }>(
      "cost",
      "show what a stack costs a month, resource by resource",
      ["cost", "cost --watts 85 --kwh-price 0.31 --json"],
      async (context, stack, { set, watts, kwhPrice }) => {
        const { cost } = await import("./verbs/cost.ts");
        const power = {
          ...(watts === undefined ? {} : { watts }),
          ...(kwhPrice === undefined ? {} : { kwhPrice }),
        };
        await cost(context, stack, { settings: set, ...power });
      },
    ),
  )
    .option("--watts <number>", "mean draw of the machines at home", parsePositive)
    .option("--kwh-price <dollars>", "price of a kilowatt-hour in US dollars", parsePositive);
  addNodeVerbs(program, exit);
  addRender(program);
  addProjectVerbs(program);
  return program;
}

/** Verbs that name a node or pass arguments on: the stack is an option there. */
function addNodeVerbs(program: Command, exit: (code: number) => void): void {
  const stackOption = ["-s, --stack <stack>", "the stack (default: ci)"] as const;
  common(program.command("kubectl"))
    .description("run kubectl against a stack")
    .option(...stackOption)
    .argument("[arguments...]", "for kubectl")
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText("after", help(["kubectl get nodes -o wide", "kubectl --stack pr-123 get pods -A"]))
    .action(async (args: string[], options: CommonOptions & { stack?: string }) => {
      const context = makeContext(options);
      const { kubectl } = await import("./verbs/kubectl.ts");
      exit(await kubectl(context, await resolveStack(context.paths, options.stack, undefined), args));
    });
  common(program.command("ssh"))
    .description("a shell on a node, or one command there")
    .option(...stackOption)
    .argument("<node>", "its name, as status shows it")
    .argument("[command...]", "what to run instead of a shell, after --")
    .passThroughOptions()
    .addHelpText("after", help(["ssh agent-1", "ssh agent-1 -- ip addr show tailscale0"]))
    .action(async (node: string, args: string[], options: CommonOptions & { stack?: string }) => {
      const context = makeContext(options);
      const { ssh } = await import("./verbs/ssh.ts");
      const command = args[0] === "--" ? args.slice(1) : args;
      exit(await ssh(context, await resolveStack(context.paths, options.stack, undefined), node, command));
    });
}

/** Verbs about the project and this machine. */
function addProjectVerbs(program: Command): void {
  const tools = common(program.command("toolchain"));
  tools
    .description("list the tools: version, source, path, size")
    .option("--prepare", "download or build what is missing")
    .option(
      "--group <group>",
      "core, bench, test, rehearsal, homelab, guest, mac or registry; may be repeated (default: core)",
      collect,
    )
    .addHelpText("after", help(["toolchain", "toolchain --prepare --group bench --yes"]))
    .action(async (options: CommonOptions & { prepare?: boolean; group?: string[] }) => {
      const { toolchain } = await import("./verbs/toolchain.ts");
      await toolchain(makeContext(options), options);
    });
  common(tools.command("clean"))
    .description(`free the disk of what building the tools left (${goCaches.words}); the tools stay`)
    .option("--all", "the tools and image archives too")
    .addHelpText("after", help(["toolchain clean", "toolchain clean --all"]))
    .action(async (options: CommonOptions & { all?: boolean }) => {
      const { cleanToolchain } = await import("./verbs/toolchain.ts");
      await cleanToolchain(makeContext(options), options);
    });
  common(tools.command("sdk"))
    .description("generate sdks/libvirt anew, from the pinned Terraform provider")
    .addHelpText("after", help(["toolchain sdk"]))
    .action(async (options: CommonOptions) => {
      const { generateSdk } = await import("./verbs/toolchain.ts");
      await generateSdk(makeContext(options));
    });
  common(program.command("test"))
    .description(
      "run the project's tests; the last line is: N passed, N failed, and N skipped where some were",
    )
    .addOption(new Option("--quick", "only linters and unit tests, in about a minute").conflicts("long"))
    .option("--long <name>", "a long suite of test/long")
    .option(
      "--within <minutes>",
      "begin no long suite that might end later than this (default: 85)",
      parseMinutes,
    )
    .argument("[arguments...]", "for vitest, after --")
    .addHelpText("after", help(["test", "test --quick", "test --quick -- test/cli", "test --long vm-node"]))
    .action(async (args: string[], options: CommonOptions & Omit<TestOptions, "vitest">) => {
      const { test } = await import("./verbs/test.ts");
      await test(makeContext(options), { ...options, vitest: args });
    });
  timed(common(program.command("sweep")))
    .description("destroy the stacks whose time to live is over")
    .option("--dry-run", "only say which")
    .addHelpText("after", help(["sweep --dry-run", "sweep --yes"]))
    .action(async (options: StackOptions & { dryRun?: boolean }) => {
      const { sweep } = await import("./verbs/sweep.ts");
      await sweep(makeContext(options), { ...options, timeoutMinutes: options.timeout ?? 15 });
    });
  common(program.command("version"))
    .description("print versions")
    .addHelpText("after", help(["version --json"]))
    .action(async (options: CommonOptions) => {
      const { version } = await import("./verbs/version.ts");
      await version(makeContext(options));
    });
}
