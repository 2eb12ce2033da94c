/** Rules about `extraConfig`: which k3s options a stack hands through, the same in every stack. */
import { ownedArguments } from "../components/upstream/hardening.ts";
import { k3sOptionAliases, k3sOptions } from "../components/upstream/k3s-options.ts";
import { fieldPath, type Problem } from "./grammar.ts";

/**
 * @param reasons what the stack says of options of its own, before what holds for all stacks
 */
export function freeOptions(
  extraConfig: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  reasons: Readonly<Record<string, string>> = {},
): Problem[] {
  return Object.entries(extraConfig).flatMap(([role, options]) =>
    Object.entries(options).flatMap(([key, value]) => {
      // k3s takes `name+` for "add to what an earlier file said".
      const name = key.replace(/\+$/, "");
      const reason = reasons[name];
      const problem =
        reason === undefined
          ? optionProblem(role === "server" ? "server" : "agent", name, value)
          : owned(reason, k3sOptions[name]?.secret === true, value);
      return problem === undefined ? [] : [{ field: fieldPath(["extraConfig", role, key]), ...problem }];
    }),
  );
}

/** Of the arguments that such an option hands on, those which a hardened cluster owns. */
export function freeArguments(
  extraConfig: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Problem[] {
  return Object.entries(extraConfig).flatMap(([role, options]) =>
    Object.entries(options).flatMap(([key, value]) => {
      const reasons = ownedArguments[key.replace(/\+$/, "")] ?? {};
      return [value].flat().flatMap((got) => {
        // k3s takes `--name=value` as well, and `name+=value` for "add to what k3s itself says".
        const name = /^(?:--)?([a-z0-9-]*[a-z0-9])/.exec(String(got))?.[1] ?? "";
        const reason = reasons[name];
        const rule = `not give ${name} (${reason ?? ""})`;
        return reason === undefined ? [] : [{ field: fieldPath(["extraConfig", role, key]), rule, got }];
      });
    }),
  );
}

function owned(reason: string, secret: boolean, value: unknown): Omit<Problem, "field"> {
  const rule = `be left to the topology (${reason})`;
  return secret ? { rule } : { rule, got: value };
}

function optionProblem(
  role: "server" | "agent",
  name: string,
  value: unknown,
): Omit<Problem, "field"> | undefined {
  const long = k3sOptionAliases[name];
  if (long !== undefined) {
    return { rule: `be an option by its long name, which is ${long}` };
  }
  const option = k3sOptions[name];
  if (option === undefined) {
    const candidates = Object.keys(k3sOptions).filter((it) => isFree(role, it));
    return { rule: `be an option of k3s ${role}`, got: name, candidates };
  }
  if (option.owned !== undefined) return owned(option.owned, option.secret === true, value);
  if (option.only !== undefined && option.only !== role) {
    return { rule: `not be set for ${role}s: only k3s ${option.only} has it` };
  }
  return holdsCredentials(value)
    ? { rule: "be without a password, because the configuration is stored in the clear" }
    : undefined;
}

function isFree(role: "server" | "agent", name: string): boolean {
  const option = k3sOptions[name];
  return option?.owned === undefined && (option?.only ?? role) === role;
}

/** `https://user:password@proxy`, alone or in a list or an argument. */
function holdsCredentials(value: unknown): boolean {
  return [value].flat().some((it) => typeof it === "string" && /:\/\/[^/?#\s]*:[^/?#\s]*@/.test(it));
}
