/** Turns engine events into short lines, and remembers what the end of the run needs. Its clock is given. */
import { duration } from "./console.ts";
import type { EngineEvent, StepMetadata } from "./events.ts";
import { differences, isOwnResource, isRoot, plainText, shortName } from "./events.ts";

/** What changed, per verb of the past tense: `{created: 12}`. */
export type Changes = Readonly<Record<string, number>>;

export interface ResourceError {
  readonly resource: string;
  readonly message: string;
}

const words: Readonly<Record<string, readonly [doing: string, done: string]>> = {
  create: ["creating", "created"],
  "create-replacement": ["creating", "created"],
  update: ["updating", "updated"],
  delete: ["deleting", "deleted"],
  "delete-replaced": ["deleting", "deleted"],
  read: ["reading", "read"],
  import: ["importing", "imported"],
};

/** What Pulumi says on every run about tools built from modules; the toolchain's notes explain it. */
const explainedOnce = /^using pulumi-\S+ from \$PATH|^resource plugin \S+ is expected to have version/;

export class Progress {
  readonly #print: (line: string) => void;
  readonly #now: () => number;
  readonly #started: number;
  readonly #verbose: boolean;
  readonly #running = new Map<
    string,
    { readonly name: string; readonly doing: string; readonly since: number }
  >();
  readonly #errors = new Map<string, string>();
  readonly #programErrors: string[] = [];
  readonly #changes = new Map<string, number>();
  readonly #changedTypes = new Set<string>();
  /** Own resources the engine has come to, whatever it did with them. */
  readonly #seen = new Set<string>();
  #failedSteps = 0;
  #silent = true;

  constructor(print: (line: string) => void, verbose = false, now: () => number = Date.now) {
    this.#print = print;
    this.#verbose = verbose;
    this.#now = now;
    this.#started = now();
  }

  handle(event: EngineEvent): void {
    if (event.resourcePreEvent !== undefined) this.#begin(event.resourcePreEvent.metadata);
    if (event.resOutputsEvent !== undefined) this.#finish(event.resOutputsEvent.metadata);
    if (event.resOpFailedEvent !== undefined) this.#fail(event.resOpFailedEvent.metadata);
    if (event.diagnosticEvent !== undefined) this.#diagnose(event.diagnosticEvent);
  }

  /** Says what is being done when nothing was said so far; call it once, after a short while. */
  firstWord(): void {
    if (!this.#silent) return;
    this.#line(this.#running.size > 0 ? this.#runningNow() : this.#reading());
  }

  /** Says what is still being worked on; call it every few seconds. */
  heartbeat(): void {
    if (this.#running.size > 0) this.#line(`still ${this.#runningNow()}`);
    else this.#line(this.#changes.size > 0 ? "still at work" : `still ${this.#reading()}`);
  }

  #reading(): string {
    const count = this.#seen.size;
    return `reading what is there${count === 0 ? "" : ` (${String(count)} resources so far)`}`;
  }

  #runningNow(): string {
    const now = this.#now();
    return [...this.#running.values()]
      .map(({ name, doing, since }) => `${doing} ${name} (${duration(now - since)})`)
      .join(", ");
  }

  /** Problems the program itself found, before or beside any resource. */
  get programErrors(): readonly string[] {
    return this.#programErrors;
  }

  /** The last error of each resource. */
  get resourceErrors(): readonly ResourceError[] {
    return [...this.#errors].map(([urn, message]) => ({ resource: shortName(urn), message }));
  }

  get changes(): Changes {
    return Object.fromEntries([...this.#changes].sort());
  }

  /** Whether a resource of that type was made, changed or removed. */
  changed(type: string): boolean {
    return this.#changedTypes.has(type);
  }

  /** True when the run ended before any resource was touched. */
  get touchedNothing(): boolean {
    return this.#changes.size === 0 && this.#failedSteps === 0;
  }

  #begin(step: StepMetadata): void {
    if (isOwnResource(step)) this.#seen.add(step.urn);
    const word = words[step.op];
    if (word === undefined || !isOwnResource(step)) return;
    const name = shortName(step.urn);
    this.#running.set(step.urn, { name, doing: word[0], since: this.#now() });
    if (this.#verbose) this.#line(`${word[0]} ${name}`);
  }

  #finish(step: StepMetadata): void {
    const word = words[step.op];
    if (word === undefined || !isOwnResource(step)) return;
    const since = this.#running.get(step.urn)?.since ?? this.#now();
    this.#running.delete(step.urn);
    this.#changes.set(word[1], (this.#changes.get(word[1]) ?? 0) + 1);
    this.#changedTypes.add(step.type);
    // An update that nobody asked for is one of something that was found changed: the line says of what.
    const what = step.op === "update" ? differences(step) : "";
    const took = duration(this.#now() - since);
    this.#line(`${word[1].padEnd(8)} ${shortName(step.urn)} (${took})${what === "" ? "" : `: ${what}`}`);
  }

  #fail(step: StepMetadata): void {
    const since = this.#running.get(step.urn)?.since ?? this.#now();
    this.#running.delete(step.urn);
    this.#failedSteps += 1;
    if (!this.#errors.has(step.urn)) this.#errors.set(step.urn, `could not ${step.op} it`);
    this.#line(`FAILED   ${shortName(step.urn)} (${duration(this.#now() - since)})`);
  }

  #diagnose(diagnostic: NonNullable<EngineEvent["diagnosticEvent"]>): void {
    const message = plainText(diagnostic.message);
    if (message === "" || diagnostic.ephemeral === true) return;
    if (diagnostic.severity === "error") {
      if (isRoot(diagnostic.urn)) this.#programErrors.push(message);
      else this.#errors.set(diagnostic.urn ?? "", message);
    } else if (this.#isWorthALine(diagnostic.severity, message)) {
      const about = isRoot(diagnostic.urn) ? "" : `${shortName(diagnostic.urn ?? "")}: `;
      this.#line(`${diagnostic.severity.split("#")[0] ?? "info"}: ${about}${message}`);
    }
  }

  #isWorthALine(severity: string, message: string): boolean {
    if (severity === "debug") return false;
    if (this.#verbose) return true;
    return severity === "warning" && !explainedOnce.test(message);
  }

  #line(text: string): void {
    this.#silent = false;
    const elapsed = ((this.#now() - this.#started) / 1000).toFixed(1).padStart(6);
    this.#print(`${elapsed} s  ${text}`);
  }
}
