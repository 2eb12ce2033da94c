/**
 * The engine's ResourceProvider protocol over gRPC.
 *
 * `main` of @pulumi/pulumi/provider serves the same protocol but has no detailed diff, no preview of create and
 * update, no timeouts and no ignored unknowns, and starts slower (docs/decisions).
 */
import grpc from "@grpc/grpc-js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import type { Change } from "./diff.ts";
import type { EngineLog } from "./engine-log.ts";
import { type ProviderPackage, homespanPackage } from "./package.ts";
import { PartialFailure } from "./partial-failure.ts";
import type { CallContext, Resource } from "./resource.ts";
import { type Properties, isRecord } from "./values.ts";

type Callback = (error: grpc.ServiceError | Partial<grpc.StatusObject> | null, value?: unknown) => void;
interface Call<T> {
  readonly request: T;
}

function toJs(value: struct.Struct | undefined): Properties {
  const plain: unknown = value?.toJavaScript();
  return isRecord(plain) ? plain : {};
}

function toStruct(value: Properties): struct.Struct {
  return struct.Struct.fromJavaScript(value as Record<string, struct.JavaScriptValue>);
}

/** The message alone: a stack trace says nothing to a user. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error as gRPC wants it; with id and state in its details when the object exists (status.proto). */
export function failure(error: unknown): Partial<grpc.StatusObject> {
  const message = messageOf(error);
  const metadata = new grpc.Metadata();
  if (error instanceof PartialFailure) {
    const detail = new proto.ErrorResourceInitFailed();
    detail.setId(error.id);
    detail.setProperties(toStruct(error.outputs));
    detail.setReasonsList([message]);
    const packed = new any.Any();
    packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const full = new status.Status();
    full.setCode(grpc.status.UNKNOWN);
    full.setMessage(message);
    full.addDetails(packed);
    metadata.add("grpc-status-details-bin", Buffer.from(full.serializeBinary()));
  }
  return { code: grpc.status.UNKNOWN, details: message, metadata };
}

function handler<T>(work: (request: T) => unknown) {
  return (call: Call<T>, callback: Callback): void => {
    Promise.resolve()
      .then(() => work(call.request))
      .then(
        (value) => {
          callback(null, value);
        },
        (error: unknown) => {
          callback(failure(error));
        },
      );
  };
}

const KINDS = {
  add: [proto.PropertyDiff.Kind.ADD, proto.PropertyDiff.Kind.ADD_REPLACE],
  delete: [proto.PropertyDiff.Kind.DELETE, proto.PropertyDiff.Kind.DELETE_REPLACE],
  update: [proto.PropertyDiff.Kind.UPDATE, proto.PropertyDiff.Kind.UPDATE_REPLACE],
} as const;

function topLevel(path: string): string {
  return path.split(/[.[]/)[0] ?? path;
}

function diffResponse(changes: readonly Change[], deletesFirst: boolean): proto.DiffResponse {
  const response = new proto.DiffResponse();
  const { DIFF_SOME, DIFF_NONE } = proto.DiffResponse.DiffChanges;
  response.setChanges(changes.length > 0 ? DIFF_SOME : DIFF_NONE);
  response.setDiffsList([...new Set(changes.map((change) => topLevel(change.path)))]);
  response.setReplacesList([...new Set(changes.filter((c) => c.replace).map((c) => topLevel(c.path)))]);
  response.setDeletebeforereplace(deletesFirst);
  response.setHasdetaileddiff(true);
  for (const change of changes) {
    const property = new proto.PropertyDiff();
    property.setKind(KINDS[change.kind][change.replace ? 1 : 0]);
    property.setInputdiff(change.input);
    response.getDetaileddiffMap().set(change.path, property);
  }
  return response;
}

function checkResponse(checked: {
  readonly inputs: Properties;
  readonly problems: readonly string[];
}): proto.CheckResponse {
  const response = new proto.CheckResponse().setInputs(toStruct(checked.inputs));
  response.setFailuresList(checked.problems.map((reason) => new proto.CheckFailure().setReason(reason)));
  return response;
}

/** Loads the resources of a package; called once. */
export type LoadResources = () => Promise<readonly Resource[]>;

/**
 * The handlers of a server for these resources.
 *
 * @param resources where they are to be loaded, they are when the server is configured: the engine starts a plugin again in each run
 *   to have a configuration checked, and asks that start for nothing else
 */
/** `urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>` */
function stackOf(urn: string): string {
  return (urn.split("::")[0] ?? "").replace(/^urn:pulumi:/, "");
}

export function service(
  resources: readonly Resource[] | LoadResources,
  version: string,
  pack: ProviderPackage = homespanPackage,
  log: EngineLog = () => Promise.resolve(),
): { readonly handlers: grpc.UntypedServiceImplementation; readonly cancel: () => void } {
  let loading: Promise<ReadonlyMap<string, Resource>> | undefined;
  const load = (): Promise<ReadonlyMap<string, Resource>> =>
    (loading ??= Promise.resolve(typeof resources === "function" ? resources() : resources).then(
      (all) => new Map(all.map((resource) => [resource.type, resource])),
    ));
  const controller = new AbortController();
  const context = (urn: string, timeoutSeconds: number): CallContext => ({
    signal: controller.signal,
    stack: stackOf(urn),
    timeoutSeconds,
    warn: (message) => log(urn, message),
  });
  const find = async (urn: string): Promise<Resource> => {
    // urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>
    const type = (urn.split("::")[2] ?? "").split("$").at(-1) ?? "";
    const found = (await load()).get(type);
    if (found === undefined) {
      throw new Error(`\`type\` must be a resource of ${pack.title}, got ${JSON.stringify(type)}`);
    }
    return found;
  };
  const cancel = (): void => {
    controller.abort(new Error("cancelled"));
  };
  const handlers: grpc.UntypedServiceImplementation = {
    getPluginInfo: handler(() => new plugin.PluginInfo().setVersion(version)),
    attach: handler(() => new empty.Empty()),
    cancel: handler(() => {
      cancel();
      return new empty.Empty();
    }),
    getSchema: handler(() =>
      new proto.GetSchemaResponse().setSchema(JSON.stringify({ name: pack.name, version })),
    ),
    checkConfig: handler((request: proto.CheckRequest) => {
      const news = toJs(request.getNews());
      return checkResponse(pack.checkConfig?.(news) ?? { inputs: news, problems: [] });
    }),
    diffConfig: handler((request: proto.DiffRequest) =>
      diffResponse(pack.diffConfig?.(toJs(request.getOlds()), toJs(request.getNews())) ?? [], false),
    ),
    configure: handler((request: proto.ConfigureRequest) => {
      pack.configure?.(toJs(request.getArgs()));
      // Behind the answer, while the engine starts its other plugins. Whoever needs the resources hears of a failure.
      setImmediate(() => void load().catch(() => undefined));
      return new proto.ConfigureResponse()
        .setAcceptsecrets(true)
        .setSupportspreview(true)
        .setAcceptresources(false);
    }),
    invoke: handler((request: proto.InvokeRequest) => {
      throw new Error(`\`function\` must be one of ${pack.title}, which has none, got ${request.getTok()}`);
    }),
    check: handler(async (request: proto.CheckRequest) => {
      const resource = await find(request.getUrn());
      return checkResponse(
        resource.check(toJs(request.getNews()), {
          // urn:pulumi:<stack>::<project>::<types>::<name>, and a name may hold "::" itself
          resourceName: request.getUrn().split("::").slice(3).join("::"),
          olds: toJs(request.getOlds()),
          seed: request.getRandomseed_asU8(),
        }),
      );
    }),
    diff: handler(async (request: proto.DiffRequest) => {
      const resource = await find(request.getUrn());
      const state = toJs(request.getOlds());
      const news = toJs(request.getNews());
      return diffResponse(resource.diff(state, news), resource.deletesFirst?.(state, news) ?? true);
    }),
    create: handler(async (request: proto.CreateRequest) => {
      const resource = await find(request.getUrn());
      const inputs = toJs(request.getProperties());
      const response = new proto.CreateResponse();
      if (request.getPreview()) return response.setProperties(toStruct(resource.previewCreate(inputs)));
      const created = await resource.create(inputs, context(request.getUrn(), request.getTimeout()));
      return response.setId(created.id).setProperties(toStruct(created.outputs));
    }),
    read: handler(async (request: proto.ReadRequest) => {
      const state = toJs(request.getProperties());
      const resource = await find(request.getUrn());
      const response = new proto.ReadResponse();
      if (Object.keys(state).length === 0) {
        if (resource.import === undefined) {
          throw new Error(
            `${request.getId()} must be in the stack's state, import is not possible for this type`,
          );
        }
        const imported = await resource.import(request.getId(), context(request.getUrn(), 0));
        if (imported === undefined) return response;
        response.setId(request.getId()).setProperties(toStruct(imported.outputs));
        return response.setInputs(toStruct(imported.inputs));
      }
      const found = await resource.read(request.getId(), state, context(request.getUrn(), 0));
      if (found === undefined) return response;
      return response.setId(request.getId()).setProperties(toStruct(found)).setInputs(request.getInputs());
    }),
    update: handler(async (request: proto.UpdateRequest) => {
      const resource = await find(request.getUrn());
      const state = toJs(request.getOlds());
      const inputs = toJs(request.getNews());
      const outputs = request.getPreview()
        ? resource.previewUpdate(state, inputs)
        : await resource.update(state, inputs, context(request.getUrn(), request.getTimeout()));
      return new proto.UpdateResponse().setProperties(toStruct(outputs));
    }),
    delete: handler(async (request: proto.DeleteRequest) => {
      const resource = await find(request.getUrn());
      await resource.delete(
        request.getId(),
        toJs(request.getProperties()),
        context(request.getUrn(), request.getTimeout()),
      );
      return new empty.Empty();
    }),
  };
  return { handlers, cancel };
}
