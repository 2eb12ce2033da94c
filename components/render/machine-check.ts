/** What was found when a machine was looked at, one thing each. */

/** One thing that was looked at, in the words of doctor. */
export interface MachineCheck {
  readonly name: string;
  /** `problem` keeps the machine out; `notice` says what its owner should know. */
  readonly result: "ok" | "notice" | "problem";
  readonly message: string;
  readonly fix?: string;
}

/** Problems as lines of an error, each with its fix. */
export function describeMachineProblems(checks: readonly MachineCheck[]): string[] {
  return checks
    .filter(({ result }) => result === "problem")
    .map(({ name, message, fix }) => `${name}: ${message}${fix === undefined ? "" : ` (fix: ${fix})`}`);
}

export function ok(name: string, message: string): MachineCheck {
  return { name, result: "ok", message };
}

export function notice(name: string, message: string, fix?: string): MachineCheck {
  return { name, result: "notice", message, ...(fix === undefined ? {} : { fix }) };
}

export function problem(name: string, message: string, fix: string): MachineCheck {
  return { name, result: "problem", message, fix };
}
