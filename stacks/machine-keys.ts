/** Keys of the strict objects that the stacks of machines have in common, for what a wrong key may have meant. */
import { homeKeys, homeNodeKeys, kindOf } from "./home-schema.ts";
import { auditLogFields, podSecurityFields } from "./schema-pieces.ts";
import { snapshotKeys } from "./snapshots-schema.ts";
import { tailnetKeys } from "./tailnet-schema.ts";

/** @param plainNode keys of a node that says of no kind of machine that it is one */
export function machineKeysAt(
  path: readonly PropertyKey[],
  value: unknown,
  plainNode: readonly string[],
): readonly string[] {
  switch (path[0]) {
    case "servers":
    case "agents":
      return path.length === 2 && kindOf(value) === undefined
        ? plainNode
        : homeNodeKeys(path.slice(2), value);
    case "libvirtHosts":
    case "mac":
    case "flatcar":
      return homeKeys(path, value);
    case "snapshots":
      return snapshotKeys(path, value);
    case "podSecurity":
      return Object.keys(podSecurityFields);
    case "auditLog":
      return Object.keys(auditLogFields);
    case "tailnet":
      return tailnetKeys((value as { kind?: unknown }).kind);
    default:
      return ["server", "agent"];
  }
}
