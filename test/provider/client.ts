/** The provider behind real gRPC: what the engine would send, and what it would get. */
import grpc from "@grpc/grpc-js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import stubs from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { expect } from "vitest";
import type { Effects } from "../../provider/effects/effects.ts";
import { allResources } from "../../provider/resources/index.ts";
import type { Resource } from "../../provider/server/resource.ts";
import { type RunningServer, serve } from "../../provider/server/serve.ts";
import type { LoadResources } from "../../provider/server/service.ts";
import { type Properties, unwrapAll } from "../../provider/server/values.ts";

/** A changed property: `replace`, or the kind of change. */
export type Diff = Readonly<Record<string, string>>;

/** What the engine reports when a call fails. */
export class CallError extends Error {
  /** State that is kept although the call failed. */
  readonly kept: Properties | undefined;
  constructor(message: string, kept: Properties | undefined) {
    super(message);
    this.kept = kept;
  }
}

type Unary = (request: object, callback: (error: grpc.ServiceError | null, value: unknown) => void) => void;

export class ProviderClient {
  #server: RunningServer | undefined;
  #client: Record<string, Unary> | undefined;

  async serve(effects: Effects): Promise<void> {
    await this.serveResources(allResources(effects));
  }

  async serveResources(resources: readonly Resource[] | LoadResources): Promise<void> {
    this.#server = await serve(resources, "0.0.0");
    const Client = grpc.makeGenericClientConstructor(stubs.ResourceProviderService, "ResourceProvider");
    const address = `127.0.0.1:${String(this.#server.port)}`;
    this.#client = new Client(address, grpc.credentials.createInsecure()) as unknown as Record<string, Unary>;
  }

  stop(): void {
    (this.#client as unknown as grpc.Client | undefined)?.close();
    this.#server?.stop();
  }

  async check(type: string, news: Properties): Promise<{ inputs: Properties; problems: string[] }> {
    const request = new proto.CheckRequest().setUrn(urn(type)).setNews(toStruct(news));
    const response = await this.#call<proto.CheckResponse>("check", request);
    const problems = response.getFailuresList().map((failure) => failure.getReason());
    return { inputs: toJs(response.getInputs()), problems };
  }

  async diff(type: string, olds: Properties, news: Properties): Promise<Diff> {
    const request = new proto.DiffRequest().setUrn(urn(type)).setOlds(toStruct(olds)).setNews(toStruct(news));
    const response = await this.#call<proto.DiffResponse>("diff", request);
    const kinds = ["add", "replace", "delete", "replace", "update", "replace"];
    const found: Record<string, string> = {};
    response.getDetaileddiffMap().forEach((change, path) => {
      found[path] = kinds[change.getKind()] ?? "";
    });
    const replaces = response.getReplacesList().length > 0;
    expect(replaces).toBe(Object.values(found).includes("replace"));
    expect(response.getDeletebeforereplace()).toBe(true);
    return found;
  }

  /** Checks and creates; returns id and state as the engine keeps them. */
  async create(
    type: string,
    inputs: Properties,
    preview = false,
  ): Promise<{ id: string; state: Properties }> {
    const checked = await this.check(type, inputs);
    if (checked.problems.length > 0) throw new Error(checked.problems.join("\n"));
    const request = new proto.CreateRequest().setUrn(urn(type)).setPreview(preview);
    request.setProperties(toStruct(checked.inputs));
    const response = await this.#call<proto.CreateResponse>("create", request);
    return { id: response.getId(), state: toJs(response.getProperties()) };
  }

  /** `undefined`: gone. */
  async read(type: string, state: Properties): Promise<Properties | undefined> {
    const request = new proto.ReadRequest().setUrn(urn(type)).setId("some-id").setProperties(toStruct(state));
    const response = await this.#call<proto.ReadResponse>("read", request);
    return response.getId() === "" ? undefined : toJs(response.getProperties());
  }

  async update(type: string, olds: Properties, news: Properties, preview = false): Promise<Properties> {
    const checked = await this.check(type, news);
    if (checked.problems.length > 0) throw new Error(checked.problems.join("\n"));
    const request = new proto.UpdateRequest().setUrn(urn(type)).setId("some-id").setPreview(preview);
    request.setOlds(toStruct(olds)).setNews(toStruct(checked.inputs));
    return toJs((await this.#call<proto.UpdateResponse>("update", request)).getProperties());
  }

  async delete(type: string, state: Properties): Promise<void> {
    await this.#call(
      "delete",
      new proto.DeleteRequest().setUrn(urn(type)).setId("some-id").setProperties(toStruct(state)),
    );
  }

  async checkConfig(): Promise<proto.CheckResponse> {
    return this.#call<proto.CheckResponse>("checkConfig", new proto.CheckRequest());
  }

  async diffConfig(): Promise<proto.DiffResponse> {
    return this.#call<proto.DiffResponse>("diffConfig", new proto.DiffRequest());
  }

  async configure(): Promise<proto.ConfigureResponse> {
    return this.#call<proto.ConfigureResponse>("configure", new proto.ConfigureRequest());
  }

  #call<T>(method: string, request: object): Promise<T> {
    const client = this.#client;
    if (client === undefined) throw new Error("not started");
    return new Promise((resolve, reject) => {
      client[method]?.call(client, request, (error, value) => {
        if (error === null) resolve(value as T);
        else reject(new CallError(error.details, keptState(error)));
      });
    });
  }
}

function keptState(error: grpc.ServiceError): Properties | undefined {
  const bytes = error.metadata.get("grpc-status-details-bin")[0];
  if (!(bytes instanceof Buffer)) return undefined;
  const packed = status.Status.deserializeBinary(bytes).getDetailsList()[0];
  const detail = proto.ErrorResourceInitFailed.deserializeBinary(packed?.getValue_asU8() ?? new Uint8Array());
  return toJs(detail.getProperties());
}

export function urn(type: string): string {
  return `urn:pulumi:ci::homespan::homespan:k3s:Cluster$homespan:index:${type}::name`;
}

function toStruct(value: Properties): struct.Struct {
  return struct.Struct.fromJavaScript(value as Record<string, struct.JavaScriptValue>);
}

function toJs(value: struct.Struct | undefined): Properties {
  return value?.toJavaScript() ?? {};
}

/** State without secret wrappers. */
export function plain(state: Properties | undefined): Properties {
  return unwrapAll(state ?? {});
}

/** A value as the engine sends a secret. */
export function secret(value: unknown): Properties {
  return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value };
}

export function isSecret(value: unknown): boolean {
  return typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;
}
