/** The engine events that `pulumi up --json` prints, one JSON object per line, as far as they are used here. */

export interface StepMetadata {
  /** `create`, `update`, `delete`, `same`, `refresh`, `replace`, `create-replacement`, `delete-replaced`, `read` ... */
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  /** Paths of the properties that differ, where the provider names them. */
  readonly detailedDiff?: Readonly<Record<string, unknown>> | null;
  /** Their first parts alone. */
  readonly diffs?: readonly string[] | null;
  readonly old?: { readonly custom?: boolean } | null;
  readonly new?: {
    readonly custom?: boolean;
    readonly parent?: string;
    readonly provider?: string;
    readonly inputs?: Readonly<Record<string, unknown>>;
  } | null;
}

export interface EngineEvent {
  readonly timestamp?: number;
  readonly diagnosticEvent?: {
    readonly urn?: string;
    readonly message: string;
    /** `debug`, `info`, `info#err`, `warning` or `error`. */
    readonly severity: string;
    readonly ephemeral?: boolean;
  };
  readonly resourcePreEvent?: { readonly metadata: StepMetadata };
  readonly resOutputsEvent?: { readonly metadata: StepMetadata };
  readonly resOpFailedEvent?: { readonly metadata: StepMetadata };
  readonly summaryEvent?: { readonly resourceChanges?: Readonly<Record<string, number>> };
}

/** Undefined for a line that is no event. */
export function parseEvent(line: string): EngineEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    return isEvent(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isEvent(value: unknown): value is EngineEvent {
  return typeof value === "object" && value !== null && "sequence" in value;
}

/**
 * The event as a line of the log file, which is kept; undefined for one that does not belong there.
 *
 * Secrets are blinded in all events but those of severity `debug`, where the Node.js SDK tells every value it handles.
 */
export function logLine(event: EngineEvent): string | undefined {
  return event.diagnosticEvent?.severity === "debug" ? undefined : JSON.stringify(event);
}

/** The last part of a URN, and of its type: `StewardNode agent-1`. */
export function shortName(urn: string): string {
  const parts = urn.split("::");
  const type = (parts[2] ?? "").split("$").at(-1)?.split(":").at(-1) ?? "";
  const name = parts.slice(3).join("::");
  return type === "Stack" ? `stack ${name}` : `${type} ${name}`.trim();
}

/** How many properties a line names. */
const NAMED = 3;

/** What differs, in a few words: `labels.site, ready, tag and 2 more`. "" where nothing is known to. */
export function differences({ detailedDiff, diffs }: StepMetadata): string {
  const detailed = Object.keys(detailedDiff ?? {});
  const paths = (detailed.length > 0 ? detailed : [...(diffs ?? [])]).sort();
  const more = paths.length - NAMED;
  return paths.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${String(more)} more` : "");
}

/** True for the stack itself, whose errors are the program's. */
export function isRoot(urn: string | undefined): boolean {
  return urn === undefined || urn === "" || urn.split("::")[2] === "pulumi:pulumi:Stack";
}

/** False for components, providers and the stack: nothing outside Pulumi's state stands for them. */
export function isOwnResource(step: StepMetadata): boolean {
  return (step.new ?? step.old)?.custom === true && !step.type.startsWith("pulumi:");
}

/** Pulumi's messages carry markup such as `<{%reset%}>`. */
export function plainText(message: string): string {
  return message.replaceAll(/<\{%.*?%\}>/g, "").trimEnd();
}
