/**
 * The tests of a policy, decided as Tailscale does: by what the rules say of names. Headscale decides them by the addresses of
 * devices, so it can neither accept nor refuse anything for a tag that no device has yet.
 */
import type { Policy, PolicyTest } from "./policy-schema.ts";

/** What is known of a device. */
export interface TestDevice {
  readonly tags: readonly string[];
  readonly addresses: readonly string[];
}

/** One failed test, in the form of Tailscale's API. */
export interface TestFailure {
  readonly user: string;
  readonly errors: readonly string[];
}

interface Party {
  /** Names that fit it in a rule. */
  readonly names: ReadonlySet<string>;
  readonly addresses: readonly string[];
}

/** `proto` of a test that names none: a connection that is allowed over any of them is allowed. */
const DEFAULT_PROTOCOLS = ["tcp", "udp", "icmp"];
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const ANYONE = ["*", "autogroup:danger-all"];
const ROLES = ["owner", "admin", "it-admin", "network-admin", "billing-admin", "auditor"];

/** True for what only members with a certain role are, such as autogroup:admin. */
export function isRole(name: string): boolean {
  return ROLES.some((role) => name === `autogroup:${role}`);
}

/** All tests that fail. */
export function failedTests(
  policy: Policy,
  tests: readonly PolicyTest[],
  devices: readonly TestDevice[],
  account: string,
): readonly TestFailure[] {
  return tests.flatMap((test) => {
    const from = party(test.src, policy, devices, account);
    const errors = [
      ...(test.accept ?? []).map((to) => [to, true] as const),
      ...(test.deny ?? []).map((to) => [to, false] as const),
    ]
      .filter(([to, wanted]) => reaches(policy, from, to, test.proto, devices, account) !== wanted)
      .map(
        ([to, wanted]) => `address ${JSON.stringify(to)}: want: ${verdict(wanted)}, got: ${verdict(!wanted)}`,
      );
    return errors.length === 0 ? [] : [{ user: test.src, errors }];
  });
}

function verdict(accepted: boolean): string {
  return accepted ? "Accept" : "Drop";
}

/** Who a name of a test is. */
function party(name: string, policy: Policy, devices: readonly TestDevice[], account: string): Party {
  const groups = Object.entries(policy.groups ?? {});
  const address = policy.hosts?.[name] ?? name;
  if (IPV4.test(address)) {
    const owner = devices.find((device) => device.addresses.includes(address));
    const tags = owner?.tags ?? [];
    const member = owner !== undefined && tags.length === 0 ? memberNames(account, groups, account) : [];
    return {
      names: new Set([name, address, ...tags, ...taggedNames(tags), ...member]),
      addresses: [address],
    };
  }
  if (name.startsWith("tag:")) {
    const addresses = devices.filter(({ tags }) => tags.includes(name)).flatMap((device) => device.addresses);
    return { names: new Set([name, ...taggedNames([name])]), addresses };
  }
  return { names: new Set([name, ...memberNames(name, groups, account)]), addresses: [] };
}

function taggedNames(tags: readonly string[]): string[] {
  return tags.length === 0 ? [] : ["autogroup:tagged"];
}

function memberNames(
  name: string,
  groups: readonly (readonly [string, readonly string[]])[],
  account: string,
): string[] {
  return [
    ...["autogroup:member", "autogroup:members"],
    ...groups.filter(([, members]) => members.includes(name)).map(([group]) => group),
    ...(name === account ? [account, ...ROLES.map((role) => `autogroup:${role}`)] : []),
  ];
}

function reaches(
  policy: Policy,
  from: Party,
  destination: string,
  proto: string | undefined,
  devices: readonly TestDevice[],
  account: string,
): boolean {
  const [target, port] = splitPort(destination);
  const to = party(target, policy, devices, account);
  const wanted = proto === undefined || proto === "" ? DEFAULT_PROTOCOLS : [proto];
  const byGrant = (policy.grants ?? []).some(
    ({ src, dst, ip }) =>
      src.some((name) => fits(name, from, policy)) &&
      dst.some((name) => fits(name, to, policy)) &&
      (ip ?? []).some((one) => allows(one, wanted, port)),
  );
  const byAcl = (policy.acls ?? []).some(
    ({ src, dst, proto: only }) =>
      src.some((name) => fits(name, from, policy)) &&
      dst.some((entry) => {
        const [name, ports] = splitPort(entry);
        return (
          fits(name, to, policy) && allows(only === undefined ? ports : `${only}:${ports}`, wanted, port)
        );
      }),
  );
  return byGrant || byAcl;
}

/** `tag:a:22` -> `tag:a`, `22`. */
export function splitPort(destination: string): [string, string] {
  const at = destination.lastIndexOf(":");
  return [destination.slice(0, at), destination.slice(at + 1)];
}

/** Whether a name in a rule means this party. */
function fits(name: string, { names, addresses }: Party, policy: Policy): boolean {
  if (ANYONE.includes(name) || names.has(name)) return true;
  const range = policy.hosts?.[name] ?? name;
  return addresses.some((address) => inRange(address, range));
}

/** Whether `443`, `80-90`, `tcp:443`, `icmp:*` or `*` lets a connection by one of these protocols to this port through. */
function allows(rule: string, protocols: readonly string[], port: string): boolean {
  const [only, ports] = rule.includes(":") ? (rule.split(":") as [string, string]) : ["", rule];
  if (only !== "" && only !== "*" && !protocols.includes(only)) return false;
  return ports.split(",").some((part) => {
    if (part === "*") return true;
    const [first = "", last = first] = part.split("-");
    return Number(first) <= Number(port) && Number(port) <= Number(last);
  });
}

/** Whether an IPv4 address is the one, or in the network or range, that is named. */
function inRange(address: string, range: string): boolean {
  const [base = "", prefix = "32"] = range.split("/");
  const [first = "", last] = base.split("-");
  if (!IPV4.test(first) || !IPV4.test(address)) return false;
  if (last !== undefined) return number(first) <= number(address) && number(address) <= number(last);
  const size = 2 ** (32 - Number(prefix));
  return Math.floor(number(address) / size) === Math.floor(number(first) / size);
}

function number(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}
