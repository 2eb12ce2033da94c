/** From `registryMirrors` to what nodes are told. */
import type { RegistryMirrors } from "../components/render/registry.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import type { Rule } from "./schema-check.ts";

interface Fields {
  readonly registryMirrors: RegistryMirrors;
}

export const mirrorRules: readonly Rule<Fields>[] = [{ needs: ["registryMirrors"], check: withoutSecrets }];

/** Nothing where none is named: a node then has no file for them, as k3s has by itself. */
export function mirrorsOf({ registryMirrors }: Fields): RegistryMirrors | undefined {
  return Object.keys(registryMirrors).length > 0 ? registryMirrors : undefined;
}

/** Addresses are in a file that every process on the node can read. What is refused is not shown: it may be in a log that others read. */
function withoutSecrets({ registryMirrors }: Fields): Problem[] {
  return Object.entries(registryMirrors).flatMap(([name, addresses]) =>
    addresses.flatMap((address, index) => {
      const { username, password, search, hash } = new URL(address);
      if (`${username}${password}${search}${hash}` === "") return [];
      const rule =
        "be without a user's name, a password and anything after a `?` or `#`, as every process on a node can read it: use imagePullSecrets";
      return [{ field: fieldPath(["registryMirrors", name, index]), rule }];
    }),
  );
}
