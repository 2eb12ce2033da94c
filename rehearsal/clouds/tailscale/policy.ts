/** Policy files: read and checked as Tailscale does it, and put in the words of Headscale 0.29. */
import type { z } from "zod";
import { parseHujson } from "./hujson.ts";
import { type Policy, type PolicyTest, policySchema, unsupported, withoutEffect } from "./policy-schema.ts";
import { type TestDevice, isRole, splitPort } from "./policy-tests.ts";

/** What is wrong with a policy; the message is the API's. */
export class PolicyError extends Error {}

/** The policy of a new tailnet: everyone reaches everything. https://tailscale.com/kb/1192/acl-samples */
export const DEFAULT_POLICY = `// Example/default ACLs for unrestricted connections.
{
	// Declare static groups of users. Use autogroups for all users or users with a specific role.
	// "groups": {
	//  	"group:example": ["alice@example.com", "bob@example.com"],
	// },

	// Define the tags which can be applied to devices and by which users.
	// "tagOwners": {
	//  	"tag:example": ["autogroup:admin"],
	// },

	// Define grants that govern access for users, groups, autogroups, tags,
	// Tailscale IP addresses, and subnet ranges.
	"grants": [
		// Allow all connections.
		// Comment this section out if you want to define specific restrictions.
		{"src": ["*"], "dst": ["*"], "ip": ["*"]},
	],

	// Define users and devices that can use Tailscale SSH.
	"ssh": [
		// Allow all users to SSH into their own devices in check mode.
		{
			"action": "check",
			"src":    ["autogroup:member"],
			"dst":    ["autogroup:self"],
			"users":  ["autogroup:nonroot", "root"],
		},
	],
}
`;

/**
 * Reads a policy file.
 *
 * @throws PolicyError for what is no HuJSON, has a field that Tailscale does not know or a name that is nowhere defined, and
 * for what a rehearsal cannot do
 */
export function parsePolicy(text: string): Policy {
  let raw: unknown;
  try {
    raw = parseHujson(text);
  } catch (error) {
    throw new PolicyError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const known = without(raw, withoutEffect);
  for (const name of unsupported) {
    if (isObject(known) && name in known) throw new PolicyError(`a rehearsed tailnet has no ${name}`);
  }
  const parsed = policySchema.safeParse(known);
  if (!parsed.success) throw new PolicyError(problem(parsed.error.issues[0]));
  const undefinedName = undefinedNames(parsed.data)[0];
  if (undefinedName !== undefined) {
    throw new PolicyError(`${undefinedName.split(":")[0] ?? ""} not found: ${JSON.stringify(undefinedName)}`);
  }
  const wrongTest = (parsed.data.tests ?? []).map(testProblem).find((text) => text !== undefined);
  if (wrongTest !== undefined) throw new PolicyError(wrongTest);
  return parsed.data;
}

/** What Tailscale takes in a test: https://tailscale.com/kb/1337/policy-syntax#tests */
export function testProblem({ src, accept, deny }: PolicyTest): string | undefined {
  const targets = [...(accept ?? []), ...(deny ?? [])];
  if (targets.length === 0) return `test of ${JSON.stringify(src)} must have accept or deny`;
  if (/^\d|^autogroup:|^\*/.test(src)) {
    return `src of a test must be a user, group, tag or host, got ${JSON.stringify(src)}`;
  }
  const wrong = targets.find((target) => !/^[^/]+:\d+$/.test(target));
  return wrong === undefined
    ? undefined
    : `a test's destination must be one host and port, got ${JSON.stringify(wrong)}`;
}

function problem(issue: z.core.$ZodIssue | undefined): string {
  const path = (issue?.path ?? []).join(".");
  if (issue?.code === "unrecognized_keys") {
    return `unknown field ${JSON.stringify([...issue.path, ...issue.keys.slice(0, 1)].join("."))}`;
  }
  return `${path === "" ? "the policy" : path}: ${issue?.message ?? "invalid"}`;
}

/** Tags and groups that are used and not defined. */
function undefinedNames(policy: Policy): string[] {
  const used = [
    ...(policy.acls ?? []).flatMap(({ src, dst }) => [...src, ...dst.map((it) => splitPort(it)[0])]),
    ...(policy.grants ?? []).flatMap(({ src, dst, via }) => [...src, ...dst, ...(via ?? [])]),
    ...(policy.ssh ?? []).flatMap(({ src, dst }) => [...src, ...dst]),
    ...(policy.tests ?? []).flatMap(namesOfTest),
    ...(policy.nodeAttrs ?? []).flatMap(({ target }) => target),
    ...Object.values(policy.tagOwners ?? {}).flat(),
  ];
  const defined = { ...policy.tagOwners, ...policy.groups };
  return used.filter((name) => /^(tag|group):/.test(name) && !(name in defined));
}

function namesOfTest({ src, accept, deny }: PolicyTest): string[] {
  return [src, ...[...(accept ?? []), ...(deny ?? [])].map((it) => splitPort(it)[0])];
}

/** Tags that a device may have. */
export function ownedTags(policy: Policy): ReadonlySet<string> {
  return new Set(Object.keys(policy.tagOwners ?? {}));
}

/**
 * The same policy for Headscale. The roles it does not know are those of the account's one user; the tests it gets are those
 * whose every name has a device, as it refuses the others (policy-tests.ts decides all).
 */
export function forHeadscale(policy: Policy, devices: readonly TestDevice[], account: string): string {
  const tests = (policy.tests ?? []).filter((test) =>
    namesOfTest(test).every((it) => resolves(it, policy, devices)),
  );
  const handed = { ...policy, tests, sshTests: undefined };
  return JSON.stringify(handed, (_key, value: unknown) => translated(value, account), 2);
}

function translated(value: unknown, account: string): unknown {
  if (!Array.isArray(value)) return value;
  const names = value.map((item: unknown): unknown => {
    if (typeof item !== "string") return item;
    const [target, ports] = splitPort(item);
    if (isRole(target)) return `${account}:${ports}`;
    if (item === "autogroup:members") return "autogroup:member";
    return isRole(item) ? account : item;
  });
  // Two roles may have become the same user.
  return names.every((it) => typeof it === "string") ? [...new Set(names)] : names;
}

function resolves(name: string, policy: Policy, devices: readonly TestDevice[]): boolean {
  if (name.startsWith("tag:")) return devices.some(({ tags }) => tags.includes(name));
  return /^\d/.test(name) || name in (policy.hosts ?? {});
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function without(value: unknown, names: readonly string[]): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}
