/** What a resource of this provider is, and how its typed definition becomes something the gRPC service can call. */
import type { z } from "zod";
import { type Change, inputChanges } from "./diff.ts";
import { PartialFailure } from "./partial-failure.ts";
import { problemsOf } from "./problems.ts";
import { type Properties, UNKNOWN, secretNames, unwrapAll, wrapSecrets } from "./values.ts";

/** What one call may use beside its inputs. */
export interface CallContext {
  /** Fires when the user cancels the run. */
  readonly signal: AbortSignal;
  /** The stack's name, for commands in messages. @default none is named */
  readonly stack?: string;
  /** `customTimeouts` of this call, seconds; 0 when the program sets none. */
  readonly timeoutSeconds: number;
  /** Tells the user something that ends nothing; it arrives before the call's own answer. @default nobody is told */
  readonly warn?: (message: string) => Promise<void>;
}

/** The typed definition of one resource; `I` are its inputs, `O` its state. */
export interface ResourceDefinition<I extends z.ZodObject, O extends z.ZodObject> {
  /** `homespan:index:StewardNode`. */
  readonly type: string;
  readonly inputs: I;
  readonly outputs: O;
  /** Outputs that are always secret; those that came from a secret input are so by themselves. */
  readonly secretOutputs: readonly (keyof z.output<O> & string)[];
  /**
   * Inputs, or what is one level below one (`tailnet.url`), whose change needs a new object, always deleted first: every
   * name here is fixed.
   */
  readonly replaceOn: readonly ((keyof z.output<I> & string) | `${keyof z.output<I> & string}.${string}`)[];
  /** Inputs that matter at creation alone. */
  readonly createOnly: readonly (keyof z.output<I> & string)[];
  /** Property paths of the state that show drift an update has to repair. */
  readonly drift?: (state: z.output<O>, news: z.output<I>) => readonly string[];
  create(inputs: z.output<I>, context: CallContext): Promise<{ id: string; outputs: z.output<O> }>;
  /** The state as found; `undefined` when the object is gone. */
  read(state: z.output<O>, id: string, context: CallContext): Promise<z.output<O> | undefined>;
  update(state: z.output<O>, inputs: z.output<I>, context: CallContext): Promise<z.output<O>>;
  /** Succeeds when the object is already gone. */
  delete(state: z.output<O>, id: string, context: CallContext): Promise<void>;
}

/** What a check may know beside the inputs. */
export interface CheckContext {
  /** The resource's name in the program. */
  readonly resourceName: string;
  /** Its inputs so far; empty for a new one. */
  readonly olds: Properties;
  /** The same bytes whenever the same resource is checked again in one run. */
  readonly seed: Uint8Array;
}

/** A definition with its types erased. All properties go in and out as the engine sends them. */
export interface Resource {
  readonly type: string;
  check(
    news: Properties,
    context?: CheckContext,
  ): { readonly inputs: Properties; readonly problems: readonly string[] };
  diff(state: Properties, news: Properties): readonly Change[];
  /** Whether a replacement deletes the old object before it makes the new one; without it, it does. */
  deletesFirst?(state: Properties, news: Properties): boolean;
  /** State and inputs of an object that is not in the stack's state; without it there is no import. */
  import?(
    id: string,
    context: CallContext,
  ): Promise<{ readonly outputs: Properties; readonly inputs: Properties } | undefined>;
  create(inputs: Properties, context: CallContext): Promise<{ id: string; outputs: Properties }>;
  previewCreate(inputs: Properties): Properties;
  read(id: string, state: Properties, context: CallContext): Promise<Properties | undefined>;
  update(state: Properties, inputs: Properties, context: CallContext): Promise<Properties>;
  previewUpdate(state: Properties, inputs: Properties): Properties;
  delete(id: string, state: Properties, context: CallContext): Promise<void>;
}

function withDefaults(schema: z.ZodObject, raw: Properties): Properties {
  const missing = Object.entries(schema.shape)
    .filter(([name]) => raw[name] === undefined)
    .map(([name, field]) => [name, (field as z.ZodType).safeParse(undefined).data] as const)
    .filter(([, value]) => value !== undefined);
  return { ...raw, ...Object.fromEntries(missing) };
}

/** Erases the types of a definition. */
export function resource<I extends z.ZodObject, O extends z.ZodObject>(
  definition: ResourceDefinition<I, O>,
): Resource {
  const { inputs, outputs } = definition;
  // A state written by another version may have more properties than this one knows.
  const stateSchema = outputs.strip();
  const parseInputs = (raw: Properties): z.output<I> => inputs.parse(unwrapAll(raw));
  const parseState = (raw: Properties): z.output<O> => stateSchema.parse(unwrapAll(raw)) as z.output<O>;
  const wrap = (values: Properties, ...from: Properties[]): Properties =>
    wrapSecrets(
      values,
      new Set([...definition.secretOutputs, ...from.flatMap((raw) => [...secretNames(raw)])]),
    );
  const rules = {
    inputs: Object.keys(inputs.shape),
    replaceOn: definition.replaceOn as readonly string[],
    createOnly: definition.createOnly as readonly string[],
  };
  const keepingPartialState = async <T>(raw: Properties, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PartialFailure) {
        throw new PartialFailure(error.message, error.id, wrap(error.outputs, raw));
      }
      throw error;
    }
  };
  return {
    type: definition.type,
    check(news) {
      return { inputs: withDefaults(inputs, news), problems: problemsOf(inputs, news, unwrapAll(news)) };
    },
    diff(stateRaw, newsRaw) {
      const plain = withDefaults(inputs, unwrapAll(newsRaw));
      const changes = inputChanges(rules, unwrapAll(stateRaw), plain);
      const state = stateSchema.safeParse(unwrapAll(stateRaw));
      const news = inputs.safeParse(plain);
      if (definition.drift === undefined || !state.success || !news.success) return changes;
      const drifted = definition
        .drift(state.data as z.output<O>, news.data)
        .filter((path) => changes.every((change) => change.path !== path))
        .map((path): Change => ({ path, kind: "update", replace: false, input: false }));
      return [...changes, ...drifted];
    },
    async create(raw, context) {
      return keepingPartialState(raw, async () => {
        const created = await definition.create(parseInputs(raw), context);
        return { id: created.id, outputs: wrap(created.outputs, raw) };
      });
    },
    previewCreate(raw) {
      const computed = Object.keys(outputs.shape)
        .filter((name) => raw[name] === undefined && !(name in inputs.shape))
        .map((name) => [name, UNKNOWN] as const);
      return { ...raw, ...Object.fromEntries(computed) };
    },
    async read(id, raw, context) {
      const found = await definition.read(parseState(raw), id, context);
      return found === undefined ? undefined : wrap(found, raw);
    },
    async update(stateRaw, raw, context) {
      return keepingPartialState(raw, async () =>
        wrap(await definition.update(parseState(stateRaw), parseInputs(raw), context), raw),
      );
    },
    previewUpdate(stateRaw, raw) {
      return { ...stateRaw, ...raw };
    },
    async delete(id, raw, context) {
      await definition.delete(parseState(raw), id, context);
    },
  };
}
