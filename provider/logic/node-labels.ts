/** Labels of a Node that a membership owns: those it was given, and no others. */

export type NodeLabels = Readonly<Record<string, string>>;

/** The `labels` of a merge patch from what was owned to what is wanted; `null` removes. Empty when nothing is to do. */
export function labelPatch(
  owned: NodeLabels,
  wanted: NodeLabels,
  found: NodeLabels,
): Readonly<Record<string, string | null>> {
  const patch: Record<string, string | null> = {};
  for (const name of Object.keys(owned)) {
    if (!(name in wanted) && name in found) patch[name] = null;
  }
  for (const [name, value] of Object.entries(wanted)) {
    if (found[name] !== value) patch[name] = value;
  }
  return patch;
}

/** Of the wanted labels, those found, with the values found. */
export function ownedLabels(wanted: NodeLabels, found: NodeLabels): Record<string, string> {
  return Object.fromEntries(
    Object.keys(wanted).flatMap((name) => {
      const value = found[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}
