/** Questions about what a stack registers. */
import type { Recording, Registration } from "../components/support/recorder.ts";

/** Every resource below its parent, in order of name: the tree `pulumi stack` shows. */
export function tree(recording: Recording): string[] {
  const below = (parent: string, depth: number): string[] =>
    recording.registrations
      .filter((it) => it.parent === parent)
      .sort((a, b) => `${a.name} ${a.type}`.localeCompare(`${b.name} ${b.type}`))
      .flatMap((it) => [`${"  ".repeat(depth)}${it.type} ${it.name}`, ...below(it.urn, depth + 1)]);
  const stack = recording.registrations.find((it) => it.type === "pulumi:pulumi:Stack");
  return below(stack?.urn ?? "", 0);
}

/** Everything a registration waits for, directly or through others; a parent's wait is its children's. */
export function waitsFor(recording: Recording, registration: Registration): Set<string> {
  const byUrn = new Map(recording.registrations.map((it) => [it.urn, it]));
  const seen = new Set<string>();
  const visit = (urn: string): void => {
    for (const dependency of byUrn.get(urn)?.dependencies ?? []) {
      if (!seen.has(dependency)) {
        seen.add(dependency);
        visit(dependency);
      }
    }
  };
  visit(registration.urn);
  return seen;
}
