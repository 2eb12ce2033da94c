/**
 * A resource of a stand-in plugin: what provider/server asks of one, with the manners of the plugins Pulumi makes of Terraform
 * providers. Unlike those it is strict: an unknown property or a wrong type is an error, not a warning.
 * (github.com/pulumi/pulumi-terraform-bridge, pkg/tfbridge/provider.go and schema.go)
 */
import { createHash, randomBytes } from "node:crypto";
import type { z } from "zod";
import {
  type CallContext,
  type CheckContext,
  type Resource,
  resource,
} from "../../../provider/server/resource.ts";
import {
  type Properties,
  UNKNOWN,
  sameValue,
  secretNames,
  unwrapAll,
  wrapSecrets,
} from "../../../provider/server/values.ts";

/** Names inputs that were filled in by the plugin; goes along with them, and is no property of the resource. */
const DEFAULTS = "__defaults";

/** The typed definition of one resource; `I` are its inputs, `O` its state. */
export interface CloudResource<I extends z.ZodObject, O extends z.ZodObject> {
  /** Type token as the SDK sends it, `aws:lightsail/instance:Instance`. */
  readonly type: string;
  readonly inputs: I;
  readonly outputs: O;
  readonly secretOutputs?: readonly (keyof z.output<O> & string)[];
  /** Inputs whose change needs a new object (`ForceNew`). */
  readonly replaceOn: readonly (keyof z.output<I> & string)[];
  /** Inputs the service fills in when the program leaves them out (`Optional` and `Computed`). */
  readonly computed?: readonly (keyof z.output<I> & string)[];
  /** Inputs that are the same for other reasons than being equal: sets in another order, values the service added. */
  readonly same?: Readonly<Record<string, (state: unknown, news: unknown) => boolean>>;
  /**
   * The input that gets `<name in the program>-<7 hex digits>` when the program leaves it out. A resource whose name the
   * program gives is deleted before it is made anew, every other one after it.
   */
  readonly autoName?: keyof z.output<I> & string;
  /** The input that makes a name by itself, so that none is given. */
  readonly namePrefix?: keyof z.output<I> & string;
  /** Further problems with inputs that the real plugin finds before anything is made; unknown values are {@link UNKNOWN}. */
  readonly problems?: (inputs: Properties) => readonly string[];
  create(inputs: z.output<I>, context: CallContext): Promise<{ id: string; outputs: z.output<O> }>;
  /** The state as found; `undefined` when the object is gone. */
  read(state: z.output<O>, id: string, context: CallContext): Promise<z.output<O> | undefined>;
  /** Left out where every input replaces. */
  update?(state: z.output<O>, inputs: z.output<I>, context: CallContext): Promise<z.output<O>>;
  /** Succeeds when the object is already gone, where the real plugin does. */
  delete(state: z.output<O>, id: string, context: CallContext): Promise<void>;
  /** The state of an object that no stack knows; left out where the real plugin cannot import. */
  import?(id: string, context: CallContext): Promise<z.output<O> | undefined>;
}

function withoutDefaults(raw: Properties): Properties {
  const { [DEFAULTS]: _, ...rest } = raw;
  return rest;
}

function defaultsOf(raw: Properties): readonly unknown[] {
  const names = raw[DEFAULTS];
  return Array.isArray(names) ? names : [];
}

/** `name-1234567`, the same for the same resource in one run. */
function generatedName(context: CheckContext | undefined): string {
  const seed = context !== undefined && context.seed.length > 0 ? context.seed : randomBytes(32);
  const digits = createHash("sha256").update(seed).digest("hex").slice(0, 7);
  return `${context?.resourceName ?? "resource"}-${digits}`;
}

function accepts(field: unknown, value: unknown): boolean {
  return (field as z.ZodType).safeParse(value).success;
}

/** Erases the types of a definition. */
export function cloudResource<I extends z.ZodObject, O extends z.ZodObject>(
  definition: CloudResource<I, O>,
): Resource {
  const { autoName, namePrefix, computed = [], same = {} } = definition;
  const base = resource<I, O>({
    type: definition.type,
    inputs: definition.inputs,
    outputs: definition.outputs,
    secretOutputs: definition.secretOutputs ?? [],
    replaceOn: definition.replaceOn,
    createOnly: [],
    create: (inputs, context) => definition.create(inputs, context),
    read: (state, id, context) => definition.read(state, id, context),
    update: (state, inputs, context) => {
      if (definition.update !== undefined) return definition.update(state, inputs, context);
      throw new Error(`${definition.type} must be replaced, it cannot be updated`);
    },
    delete: (state, id, context) => definition.delete(state, id, context),
  });

  /** The new inputs, with the state's value wherever that is the same to the service. */
  const comparable = (state: Properties, news: Properties): Properties => {
    const kept = Object.keys(definition.inputs.shape).filter(
      (name) =>
        (news[name] === undefined && (computed as readonly string[]).includes(name)) ||
        same[name]?.(state[name], news[name]) === true,
    );
    return { ...news, ...Object.fromEntries(kept.map((name) => [name, state[name]])) };
  };

  /** What a state tells: as with the real plugins, the inputs may be all, of an object whose creation nobody saw the end of. */
  const known = definition.outputs.partial().strip();
  const untold = Object.entries(definition.outputs.shape)
    .filter(([, field]) => accepts(field, "") && !accepts(field, undefined))
    .map(([name]) => [name, ""] as const);
  const knownState = (raw: Properties): z.output<O> =>
    known.parse({ ...Object.fromEntries(untold), ...unwrapAll(raw) }) as z.output<O>;

  const named = (news: Properties, context: CheckContext | undefined): Properties => {
    const isNamed = autoName === undefined || news[autoName] !== undefined;
    if (isNamed || (namePrefix !== undefined && news[namePrefix] !== undefined)) {
      return { ...news, [DEFAULTS]: [] };
    }
    const olds = context?.olds ?? {};
    const name = defaultsOf(olds).includes(autoName) ? olds[autoName] : generatedName(context);
    return { ...news, [autoName]: name, [DEFAULTS]: [autoName] };
  };

  const checked: Resource = {
    ...base,
    check(raw, context) {
      const news = named(withoutDefaults(raw), context);
      const result = base.check(withoutDefaults(news));
      const further = definition.problems?.(unwrapAll(result.inputs)) ?? [];
      return {
        inputs: { ...result.inputs, [DEFAULTS]: news[DEFAULTS] },
        problems: [...result.problems, ...further],
      };
    },
    diff(stateRaw, newsRaw) {
      const state = unwrapAll(stateRaw);
      return base.diff(state, comparable(state, unwrapAll(withoutDefaults(newsRaw))));
    },
    deletesFirst: (_state, news) =>
      autoName !== undefined && news[autoName] !== undefined && !defaultsOf(news).includes(autoName),
    create: (raw, context) => base.create(withoutDefaults(raw), context),
    async read(id, raw, context) {
      const found = await definition.read(knownState(raw), id, context);
      const secret = new Set([...(definition.secretOutputs ?? []), ...secretNames(raw)]);
      return found === undefined ? undefined : wrapSecrets(found, secret);
    },
    delete: (id, raw, context) => definition.delete(knownState(raw), id, context),
    previewCreate(raw) {
      const news = withoutDefaults(raw);
      const filledIn = computed
        .filter((name) => news[name] === undefined)
        .map((name) => [name, UNKNOWN] as const);
      return { ...base.previewCreate(news), ...Object.fromEntries(filledIn) };
    },
    update: (state, raw, context) => base.update(state, withoutDefaults(raw), context),
    previewUpdate: (state, raw) => base.previewUpdate(state, withoutDefaults(raw)),
  };
  const importState = definition.import?.bind(definition);
  if (importState === undefined) return checked;
  return {
    ...checked,
    async import(id, context) {
      const found = await importState(id, context);
      if (found === undefined) return undefined;
      const outputs = wrapSecrets(found, new Set<string>(definition.secretOutputs ?? []));
      const inputs = Object.keys(definition.inputs.shape)
        .filter((name) => outputs[name] !== undefined)
        .map((name) => [name, outputs[name]] as const);
      return { outputs, inputs: { ...Object.fromEntries(inputs), [DEFAULTS]: [] } };
    },
  };
}

/** For {@link CloudResource.same}: lists that are sets. */
export function sameSet(state: unknown, news: unknown): boolean {
  return sameValue(sorted(state), sorted(news));
}

/** For {@link CloudResource.same}: no tags are the same as an empty map of them. */
export function sameTags(state: unknown, news: unknown): boolean {
  return sameValue(state ?? {}, news ?? {});
}

function sorted(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => JSON.stringify(item)).sort();
}
