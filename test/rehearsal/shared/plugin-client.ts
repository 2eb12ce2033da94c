/** A plugin behind real gRPC: what the engine would send, and what it would get. */
import grpc from "@grpc/grpc-js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import stubs from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { Properties } from "../../../provider/server/values.ts";

/** What the engine reports when a call fails. */
export class PluginError extends Error {
  /** Id and state that are kept although the call failed. */
  readonly kept: { readonly id: string; readonly state: Properties } | undefined;
  constructor(message: string, kept: { readonly id: string; readonly state: Properties } | undefined) {
    super(message);
    this.kept = kept;
  }
}

type Unary = (request: object, callback: (error: grpc.ServiceError | null, value: unknown) => void) => void;

/** An object as the engine keeps it. */
export interface Made {
  readonly id: string;
  readonly inputs: Properties;
  readonly state: Properties;
}

export class PluginClient {
  readonly #client: Record<string, Unary>;

  constructor(port: number) {
    const Client = grpc.makeGenericClientConstructor(stubs.ResourceProviderService, "ResourceProvider");
    const credentials = grpc.credentials.createInsecure();
    this.#client = new Client(`127.0.0.1:${port}`, credentials) as unknown as Record<string, Unary>;
  }

  close(): void {
    (this.#client as unknown as grpc.Client).close();
  }

  async checkConfig(news: Properties): Promise<{ inputs: Properties; problems: string[] }> {
    const request = new proto.CheckRequest().setUrn("urn:pulumi:s::p::pulumi:providers:x::x");
    return checked(await this.#call<proto.CheckResponse>("checkConfig", request.setNews(toStruct(news))));
  }

  async diffConfig(olds: Properties, news: Properties): Promise<Readonly<Record<string, string>>> {
    const request = new proto.DiffRequest().setOlds(toStruct(olds)).setNews(toStruct(news));
    return changesOf(await this.#call<proto.DiffResponse>("diffConfig", request));
  }

  async configure(inputs: Properties): Promise<void> {
    await this.#call("configure", new proto.ConfigureRequest().setArgs(toStruct(inputs)));
  }

  async check(type: string, news: Properties, olds: Properties = {}, name = "name") {
    const request = new proto.CheckRequest().setUrn(urn(type, name)).setNews(toStruct(news));
    request.setOlds(toStruct(olds)).setRandomseed(Buffer.from("seed"));
    return checked(await this.#call<proto.CheckResponse>("check", request));
  }

  /** Checks the new inputs and compares them with the state. */
  async diff(type: string, made: Made, news: Properties) {
    const { inputs } = await this.check(type, news, made.inputs);
    const request = new proto.DiffRequest().setUrn(urn(type)).setId(made.id);
    request.setOlds(toStruct(made.state)).setOldInputs(toStruct(made.inputs)).setNews(toStruct(inputs));
    const response = await this.#call<proto.DiffResponse>("diff", request);
    return { changes: changesOf(response), deletesFirst: response.getDeletebeforereplace() };
  }

  /** Checks and creates. */
  async create(type: string, news: Properties, preview = false): Promise<Made> {
    const { inputs, problems } = await this.check(type, news);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    const request = new proto.CreateRequest().setUrn(urn(type)).setPreview(preview);
    const response = await this.#call<proto.CreateResponse>(
      "create",
      request.setProperties(toStruct(inputs)),
    );
    return { id: response.getId(), inputs, state: toJs(response.getProperties()) };
  }

  /** `undefined`: gone. Without a state: an import. */
  async read(type: string, id: string, state: Properties): Promise<Made | undefined> {
    const request = new proto.ReadRequest().setUrn(urn(type)).setId(id).setProperties(toStruct(state));
    const response = await this.#call<proto.ReadResponse>("read", request);
    if (response.getId() === "") return undefined;
    return {
      id: response.getId(),
      inputs: toJs(response.getInputs()),
      state: toJs(response.getProperties()),
    };
  }

  async update(type: string, made: Made, news: Properties): Promise<Made> {
    const { inputs, problems } = await this.check(type, news, made.inputs);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    const request = new proto.UpdateRequest().setUrn(urn(type)).setId(made.id);
    request.setOlds(toStruct(made.state)).setNews(toStruct(inputs));
    const response = await this.#call<proto.UpdateResponse>("update", request);
    return { id: made.id, inputs, state: toJs(response.getProperties()) };
  }

  async delete(type: string, made: Pick<Made, "id" | "state">): Promise<void> {
    const request = new proto.DeleteRequest().setUrn(urn(type)).setId(made.id);
    await this.#call("delete", request.setProperties(toStruct(made.state)));
  }

  async invoke(token: string): Promise<void> {
    await this.#call("invoke", new proto.InvokeRequest().setTok(token));
  }

  #call<T>(method: string, request: object): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#client[method]?.call(this.#client, request, (error, value) => {
        if (error === null) resolve(value as T);
        else reject(new PluginError(error.details, keptState(error)));
      });
    });
  }
}

function urn(type: string, name = "name"): string {
  return `urn:pulumi:s::p::homespan:lightsail:LightsailServer$${type}::${name}`;
}

function checked(response: proto.CheckResponse): { inputs: Properties; problems: string[] } {
  const problems = response.getFailuresList().map((failure) => failure.getReason());
  return { inputs: toJs(response.getInputs()), problems };
}

function changesOf(response: proto.DiffResponse): Readonly<Record<string, string>> {
  const kinds = ["add", "replace", "delete", "replace", "update", "replace"];
  const found: Record<string, string> = {};
  response.getDetaileddiffMap().forEach((change, path) => {
    found[path] = kinds[change.getKind()] ?? "";
  });
  return found;
}

function keptState(error: grpc.ServiceError): { id: string; state: Properties } | undefined {
  const bytes = error.metadata.get("grpc-status-details-bin")[0];
  if (!(bytes instanceof Buffer)) return undefined;
  const packed = status.Status.deserializeBinary(bytes).getDetailsList()[0];
  const detail = proto.ErrorResourceInitFailed.deserializeBinary(packed?.getValue_asU8() ?? new Uint8Array());
  return { id: detail.getId(), state: toJs(detail.getProperties()) };
}

function toStruct(value: Properties): struct.Struct {
  return struct.Struct.fromJavaScript(value as Record<string, struct.JavaScriptValue>);
}

function toJs(value: struct.Struct | undefined): Properties {
  return value?.toJavaScript() ?? {};
}
