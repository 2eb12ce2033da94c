/** What the provider tells the user beside its answers, heard by an engine that is none. */
import grpc from "@grpc/grpc-js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import stubs from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/engine_pb.js";
import { expect, test } from "vitest";
import { engineLog } from "../../provider/server/engine-log.ts";

test("a warning reaches the engine, with the resource it is about", async () => {
  const heard: unknown[] = [];
  const server = new grpc.Server();
  server.addService(stubs.EngineService, {
    log: (
      { request }: { readonly request: proto.LogRequest },
      answer: (error: null, value: empty.Empty) => void,
    ) => {
      heard.push([request.getSeverity(), request.getUrn(), request.getMessage()]);
      answer(null, new empty.Empty());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  try {
    await engineLog(`127.0.0.1:${String(port)}`)("urn:pi", "its data stays on it");
  } finally {
    server.forceShutdown();
  }
  expect(heard).toEqual([[proto.LogSeverity.WARNING, "urn:pi", "its data stays on it"]]);
});

test("an engine that is gone, or never was, is no error", async () => {
  await engineLog("127.0.0.1:1")("urn:pi", "nobody hears it");
  await engineLog(undefined)("urn:pi", "nobody hears it");
});
