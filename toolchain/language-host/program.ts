/** Runs a Pulumi program: one `node cmd/run` of the program's own @pulumi/pulumi per deployment. */
import { spawn, type ChildProcess } from "node:child_process";
import { join, resolve } from "node:path";
import { requireFrom } from "./libraries.ts";
import type { Start } from "./waiting.ts";

/** What the engine says about one run, as plain data. */
export interface RunRequest {
  readonly engineAddress: string;
  readonly monitorAddress: string;
  readonly project: string;
  readonly stack: string;
  readonly organization: string;
  /** The directory to run in; the program's modules are found from the program directory. */
  readonly pwd: string;
  readonly rootDirectory: string;
  readonly programDirectory: string;
  /** File below `pwd`; "." means package.json's `main`. */
  readonly entryPoint: string;
  readonly args: readonly string[];
  readonly dryRun: boolean;
  /** Resource operations at a time; 0 leaves it to the program runner. */
  readonly parallel: number;
  readonly config: Readonly<Record<string, string>>;
  readonly configSecretKeys: readonly string[];
  readonly options: RuntimeOptions;
}

/** `runtime.options` of Pulumi.yaml that this host knows. */
export interface RuntimeOptions {
  /** Load the program through ts-node. @default true, as in Pulumi's own host */
  readonly typescript: boolean;
  /** Path of the tsconfig for ts-node, below the root directory. @default tsconfig.json */
  readonly tsconfig?: string;
  /** Arguments for node itself, separated by blanks. @default none */
  readonly nodeargs: readonly string[];
  /**
   * Module that a program's process loads before there is a run for it, below the root directory. It must have no effect
   * but that it is loaded, and must not read configuration. Pulumi's own host does not know this option.
   *
   * @default none: the process is started with the run
   */
  readonly preload?: string;
}

/** How a run ended: `error` is shown by the engine; `bail` means that the program has shown its errors itself. */
export interface RunResult {
  readonly error: string;
  readonly bail: boolean;
}

/** Exit code of cmd/run after it has logged the error itself. */
const exitedAfterMessage = 32;

/** Reads `runtime.options`; what this host does not know is left alone. */
export function parseOptions(options: Readonly<Record<string, unknown>>): RuntimeOptions {
  const { typescript, tsconfig, nodeargs, preload } = options;
  return {
    typescript: typescript !== false,
    ...(typeof tsconfig === "string" ? { tsconfig } : {}),
    nodeargs: typeof nodeargs === "string" ? nodeargs.split(/\s+/u).filter((arg) => arg !== "") : [],
    ...(typeof preload === "string" ? { preload } : {}),
  };
}

/** The arguments of `node` for one run. */
export function programArguments(request: RunRequest, runner: string): readonly string[] {
  return [...request.options.nodeargs, runner, ...runnerArguments(request)];
}

function runnerArguments(request: RunRequest): readonly string[] {
  return [
    "--monitor",
    request.monitorAddress,
    "--engine",
    request.engineAddress,
    "--project",
    request.project,
    "--stack",
    request.stack,
    "--organization",
    request.organization,
    "--root-directory",
    request.rootDirectory,
    "--pwd",
    request.pwd,
    ...(request.dryRun ? ["--dry-run"] : []),
    ...(request.parallel === 0 ? [] : ["--parallel", String(request.parallel)]),
    request.entryPoint,
    ...request.args,
  ];
}

/** What is added to the environment for one run. */
export function programEnvironment(request: RunRequest): Readonly<Record<string, string>> {
  const { typescript, tsconfig } = request.options;
  return {
    PULUMI_CONFIG: JSON.stringify(request.config),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.configSecretKeys),
    ...(typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
    ...(typescript && tsconfig !== undefined
      ? { PULUMI_NODEJS_TSCONFIG_PATH: resolve(request.rootDirectory, tsconfig) }
      : {}),
  };
}

/** Says how a program ended, in the words of Pulumi's own host. */
export function runResult(code: number | null, signal: NodeJS.Signals | null): RunResult {
  if (code === 0) return { error: "", bail: false };
  if (code === exitedAfterMessage) return { error: "", bail: true };
  if (code === null) return { error: `Program was ended by ${signal ?? "a signal"}`, bail: false };
  return { error: `Program exited with non-zero exit code: ${String(code)}`, bail: false };
}

/** Where a program is, and how its process is started. */
export type ProgramPlace = Pick<RunRequest, "rootDirectory" | "programDirectory" | "options">;

interface Waiting {
  readonly child: ChildProcess;
  readonly place: string;
}

/** The programs that are running, so that they can be ended with the host. */
export class Programs {
  readonly #running = new Set<ChildProcess>();
  #waiting: Waiting | undefined;

  /** Starts the process of a program that will be run soon; see `preload` of {@link RuntimeOptions}. */
  prepare(place: ProgramPlace): void {
    const { preload, nodeargs } = place.options;
    if (preload === undefined || this.#waiting !== undefined) return;
    const waiting = join(import.meta.dirname, "waiting.ts");
    const child = spawn(process.execPath, [...nodeargs, waiting, resolve(place.rootDirectory, preload)], {
      cwd: place.programDirectory,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    // Without it the run starts a process of its own.
    child.once("error", () => undefined);
    this.#waiting = { child, place: JSON.stringify(place) };
  }

  /**
   * Starts the program and resolves when it has ended. Its output goes where the host's goes, which is the engine.
   * Aborting `signal` ends the program.
   */
  async run(request: RunRequest, signal: AbortSignal): Promise<RunResult> {
    const runner = requireFrom(request.programDirectory).resolve("@pulumi/pulumi/cmd/run");
    const child = this.#startWaiting(request, runner) ?? start(request, runner);
    this.#running.add(child);
    const abort = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    try {
      return await new Promise((done, failed) => {
        child.once("error", failed);
        child.once("exit", (code, signalName) => {
          done(runResult(code, signalName));
        });
      });
    } finally {
      this.#running.delete(child);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Tells the process that waits to run this; undefined when none waits for such a program. */
  #startWaiting(request: RunRequest, runner: string): ChildProcess | undefined {
    const { rootDirectory, programDirectory, options } = request;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return undefined;
    const { child, place } = waiting;
    const fits = place === JSON.stringify({ rootDirectory, programDirectory, options });
    if (!fits || !child.connected) {
      child.kill("SIGTERM");
      return undefined;
    }
    const order: Start = {
      runner,
      args: runnerArguments(request),
      environment: programEnvironment(request),
    };
    child.send(order);
    return child;
  }

  /** Ends every program that is still running. */
  cancel(): void {
    for (const child of this.#running) child.kill("SIGTERM");
    this.#waiting?.child.kill("SIGTERM");
    this.#waiting = undefined;
  }
}

function start(request: RunRequest, runner: string): ChildProcess {
  return spawn(process.execPath, programArguments(request, runner), {
    cwd: request.programDirectory,
    env: { ...process.env, ...programEnvironment(request) },
    stdio: ["ignore", "inherit", "inherit"],
  });
}
