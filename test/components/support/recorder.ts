/** Runs a program against mocks and records what it registers, in the words of the engine's own request. */
import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";

type Request = RegisterResourceRequest;
type Inputs = Record<string, unknown>;

/** How Pulumi marks a secret value on the wire. */
const secretMark = "4dabf18193072939515e22adb298388d";

export interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly parent: string;
  readonly provider: string;
  readonly deletedWith: string;
  readonly deleteBeforeReplace: boolean;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly secretOutputs: readonly string[];
  readonly ignoreChanges: readonly string[];
  /** All resources it waits for: by `dependsOn` and by the outputs in its inputs. */
  readonly dependencies: readonly string[];
  /** Inputs with every secret value replaced by the word "[secret]". */
  readonly inputs: Inputs;
}

/** Outputs of the resources of one type, or of one call, from its inputs. */
export type Prepared = Readonly<Record<string, (inputs: Inputs, name: string) => Inputs>>;

export interface Recording {
  readonly registrations: readonly Registration[];
  readonly find: (type: string, name: string) => Registration;
  readonly ofType: (type: string) => Registration[];
}

/** Runs the program to its end and returns what it registered, in order of registration. */
export async function record<Result>(
  prepared: Prepared,
  program: () => Result,
  options: { readonly stack?: string; readonly preview?: boolean } = {},
): Promise<Recording & { readonly result: Result; readonly outputs: unknown }> {
  const registrations: Registration[] = [];
  const monitor = new RecordingMonitor(prepared, registrations);
  await pulumi.runtime.setMocks(monitor.mocks, "homespan", options.stack ?? "ci", options.preview ?? false);
  const restore = monitor.install();
  // The SDK takes a stack trace for each promise, and each is mapped back to sources: four fifths of a run. What is
  // thrown keeps its message; to see where it comes from, leave this out.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    let result: Result | undefined;
    let outputs: unknown;
    let thrown: Error | undefined;
    await pulumi.runtime.runInPulumiStack(async () => {
      try {
        result = program();
        outputs = await settle(result);
      } catch (error) {
        thrown = error as Error;
      }
      return {};
    });
    await pulumi.runtime.disconnect();
    if (thrown !== undefined) {
      throw thrown;
    }
    return { ...lookups(registrations), result: result as Result, outputs };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    restore();
  }
}

/** The value of a program's outputs once every resource is registered; unknown where nothing is awaited. */
function settle(result: unknown): Promise<unknown> {
  return new Promise((resolve) => {
    (pulumi.output(result) as pulumi.Output<unknown>).apply(resolve);
  });
}

function lookups(registrations: readonly Registration[]): Recording {
  return {
    registrations,
    find(type, name) {
      const found = registrations.filter((it) => it.type === type && it.name === name);
      if (found.length !== 1 || found[0] === undefined) {
        throw new Error(`expected one ${type} named ${name}, found ${String(found.length)}`);
      }
      return found[0];
    },
    ofType: (type) => registrations.filter((it) => it.type === type),
  };
}

class RecordingMonitor {
  readonly mocks: pulumi.runtime.Mocks;
  readonly #registrations: Registration[];

  constructor(prepared: Prepared, registrations: Registration[]) {
    this.#registrations = registrations;
    this.mocks = {
      newResource: ({ type, name, inputs, custom }) => {
        if (custom !== true) {
          return { id: undefined, state: {} };
        }
        const outputs = prepared[type];
        if (outputs === undefined) {
          throw new Error(`nobody prepared a resource of type ${type} (${name})`);
        }
        const plain = masked(inputs, true) as Inputs;
        const { id = `${name}-id`, ...state } = outputs(plain, name) as { readonly id?: string };
        return { id, state: { ...plain, ...state } };
      },
      call: ({ token, inputs }) => {
        const result = prepared[token];
        if (result === undefined) throw new Error(`nobody prepared the call ${token}`);
        return result(inputs as Inputs, token);
      },
    };
  }

  /** The mock monitor hides most of the request, so it is read on its way in. */
  install(): () => void {
    const registrations = this.#registrations;
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
    const original = MockMonitor.prototype.registerResource;
    MockMonitor.prototype.registerResource = async function (this: MockMonitor, request: Request, callback) {
      await original.call(
        this,
        request,
        (error: Error | null, response: { getUrn(): string } | undefined) => {
          if (response !== undefined) {
            registrations.push(registration(request, response.getUrn()));
          }
          (callback as (error: Error | null, response: unknown) => void)(error, response);
        },
      );
    };
    return () => {
      MockMonitor.prototype.registerResource = original;
    };
  }
}

function registration(request: Request, urn: string): Registration {
  return {
    urn,
    type: request.getType(),
    name: request.getName(),
    custom: request.getCustom(),
    parent: request.getParent(),
    provider: request.getProvider(),
    deletedWith: request.getDeletedwith(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    secretOutputs: request.getAdditionalsecretoutputsList(),
    ignoreChanges: request.getIgnorechangesList(),
    dependencies: request.getDependenciesList(),
    inputs: masked(request.getObject()?.toJavaScript() ?? {}, false) as Inputs,
  };
}

function masked(value: unknown, reveal: boolean): unknown {
  if (Array.isArray(value)) {
    return value.map((it) => masked(it, reveal));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const record = value as Inputs;
  if (secretMark in record) {
    return reveal ? masked(record["value"], reveal) : "[secret]";
  }
  return Object.fromEntries(Object.entries(record).map(([key, inner]) => [key, masked(inner, reveal)]));
}
