/**
 * What a killed run was making in the cloud. Lightsail has no second object of a name, so what was made and is in no state would
 * stop every later run: "Some names are already in use".
 */

import type { EngineEvent } from "./events.ts";

/** A resource of an exported stack, as far as it matters here. */
export interface PendingResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly parent?: string;
  readonly provider?: string;
  readonly dependencies?: readonly string[];
  readonly delete?: boolean;
  /** Was deleted, to be made again. */
  readonly pendingReplacement?: boolean;
  readonly inputs?: Readonly<Record<string, unknown>>;
}

/** The deployment of `pulumi stack export`. */
export interface Deployment {
  readonly resources?: readonly PendingResource[];
  readonly pending_operations?: readonly { readonly type: string; readonly resource: PendingResource }[];
}

export interface Settled {
  readonly deployment: Deployment;
  /** URNs of what may have been made: the next refresh finds out, and forgets it where it was not. */
  readonly adopted: readonly string[];
  /** What is forgotten, as "creating URN": making it again is no error. */
  readonly forgotten: readonly string[];
}

/**
 * Resources that are known by what the program says of them, and refused when they are made twice.
 * Each page has its "Import": https://www.pulumi.com/registry/packages/aws/api-docs/lightsail/
 */
const idInputs: Readonly<Record<string, readonly string[]>> = {
  "aws:lightsail/instance:Instance": ["name"],
  "aws:lightsail/staticIp:StaticIp": ["name"],
  "aws:lightsail/keyPair:KeyPair": ["name"],
  "aws:lightsail/disk:Disk": ["name"],
  "aws:lightsail/bucket:Bucket": ["name"],
  "aws:lightsail/staticIpAttachment:StaticIpAttachment": ["staticIpName"],
  "aws:lightsail/disk_attachment:Disk_attachment": ["diskName", "instanceName"],
};

/**
 * A tailnet has one policy, and one that is in no state is somebody's, not to be overwritten: ours is told by its text alone.
 * The id means nothing: https://www.pulumi.com/registry/packages/tailscale/api-docs/acl/#import
 */
const policyType = "tailscale:index/acl:Acl";
const policyId = "acl";

/** Ends of a call that say nothing about what became of it; one that was refused says why. */
const unanswered =
  /error waiting for|timeout|timed out|deadline exceeded|request send failed|connection reset|unexpected EOF|cancell?ed/i;

/**
 * Creations that failed without an answer: Pulumi keeps nothing of them, and the cloud may go on with what was ordered.
 */
export class UnansweredCreates {
  readonly #begun = new Map<string, PendingResource>();
  readonly #failed = new Set<string>();
  readonly #messages = new Map<string, string>();

  handle({ resourcePreEvent, resOpFailedEvent, diagnosticEvent }: EngineEvent): void {
    const step = resourcePreEvent?.metadata;
    const made = step?.new;
    if (step !== undefined && made != null && ["create", "create-replacement"].includes(step.op)) {
      this.#begun.set(step.urn, { ...made, urn: step.urn, type: step.type });
    }
    if (resOpFailedEvent !== undefined) this.#failed.add(resOpFailedEvent.metadata.urn);
    if (diagnosticEvent?.severity === "error" && diagnosticEvent.urn !== undefined) {
      const { urn, message } = diagnosticEvent;
      this.#messages.set(urn, `${this.#messages.get(urn) ?? ""}${message}`);
    }
  }

  /** Those with all that is known of them; none that holds a secret, which events do not tell. */
  list(): readonly PendingResource[] {
    return [...this.#failed].flatMap((urn) => {
      const resource = this.#begun.get(urn);
      if (resource === undefined) return [];
      if (!isOnHost(resource) && idOf(resource, orderedPolicy(resource)) === undefined) return [];
      if (!unanswered.test(this.#messages.get(urn) ?? "") || JSON.stringify(resource).includes("[secret]"))
        return [];
      const { type, parent, provider, inputs } = resource;
      return [
        {
          urn,
          type,
          ...(parent ? { parent } : {}),
          ...(provider ? { provider } : {}),
          ...(inputs ? { inputs } : {}),
        },
      ];
    });
  }
}

/** True for what is made on a host with libvirt: only the host knows what became of it. */
export function isOnHost({ type }: PendingResource): boolean {
  return type.startsWith("libvirt:index/");
}

/** True when it takes the tailnet's policy to {@link settlePending}. */
export function dependsOnPolicy(resources: readonly PendingResource[]): boolean {
  return resources.some(({ type }) => type === policyType);
}

/**
 * The deployment without pending operations.
 *
 * @param known what was found out elsewhere: the tailnet's policy as it is, ids of what is on hosts by URN
 */
export function settlePending(
  deployment: Deployment,
  known: {
    readonly policy?: string | undefined;
    readonly ids?: ReadonlyMap<string, string> | undefined;
  } = {},
): Settled {
  const { pending_operations: pending = [], ...rest } = deployment;
  let resources = [...(rest.resources ?? [])];
  const adopted: string[] = [];
  const forgotten: string[] = [];
  for (const { type, resource } of pending) {
    const id =
      type === "creating" ? (known.ids?.get(resource.urn) ?? idOf(resource, known.policy)) : undefined;
    const next =
      id === undefined ? undefined : withResource(resources, { ...resource, ...madeState(resource, id) });
    if (next === undefined) {
      forgotten.push(`${type} ${resource.urn}`);
      continue;
    }
    resources = next;
    adopted.push(resource.urn);
  }
  return { deployment: { ...rest, resources }, adopted, forgotten };
}

function orderedPolicy({ type, inputs }: PendingResource): string | undefined {
  const acl = type === policyType ? inputs?.["acl"] : undefined;
  return typeof acl === "string" ? acl : undefined;
}

/** Undefined for what can be made twice, and for a policy that is not the tailnet's. */
function idOf(resource: PendingResource, policy: string | undefined): string | undefined {
  const { type, inputs } = resource;
  if (type === policyType) {
    return policy !== undefined && orderedPolicy(resource) === policy ? policyId : undefined;
  }
  const parts = (idInputs[type] ?? []).map((name) => inputs?.[name]);
  const whole = parts.length > 0 && parts.every((part) => typeof part === "string" && part !== "");
  return whole ? parts.join(",") : undefined;
}

/** What the API does not tell when it is read, such as an instance's user-data, is known from the inputs: a difference replaces. */
function madeState({ type, inputs }: PendingResource, id: string): object {
  // Of a provider that Pulumi bridges as it finds it, Terraform's `id` is a property by another name, and read by that alone.
  const name = /^libvirt:index\/(\w+):/.exec(type)?.[1];
  const own = name === undefined ? { id } : { [`${name}Id`]: id };
  return { custom: true, id, outputs: { ...(withoutDefaults(inputs ?? {}) as object), ...own } };
}

/** Which inputs the plugin filled in is no property of the resource. */
function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "__defaults");
  return Object.fromEntries(entries.map(([key, it]) => [key, withoutDefaults(it)]));
}

/**
 * The resources with one more, in the place of the former one of its name (which was deleted to be replaced), after all it
 * depends on; undefined where there is no such place.
 */
function withResource(
  resources: readonly PendingResource[],
  made: PendingResource,
): PendingResource[] | undefined {
  const former = resources.findIndex(({ urn, delete: dying }) => urn === made.urn && dying !== true);
  // One that is still there is known better than from the inputs.
  if (former !== -1 && resources[former]?.pendingReplacement !== true) return undefined;
  const before = former === -1 ? resources : resources.slice(0, former);
  const known = new Set(before.map(({ urn }) => urn));
  // `urn::id`
  const provider = made.provider?.slice(0, made.provider.lastIndexOf("::"));
  const needed = [made.parent, provider, ...(made.dependencies ?? [])];
  if (needed.some((urn) => urn !== undefined && urn !== "" && !known.has(urn))) return undefined;
  return [...before, made, ...(former === -1 ? [] : resources.slice(former + 1))];
}
