/** Starts the gRPC server and tells the engine its port on standard output, the whole of the plugin protocol. */
import grpc from "@grpc/grpc-js";
import stubs from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type { EngineLog } from "./engine-log.ts";
import { type ProviderPackage, homespanPackage } from "./package.ts";
import type { Resource } from "./resource.ts";
import { type LoadResources, service } from "./service.ts";

/** State of a whole stack with its files travels in one message. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;

/** A running server. */
export interface RunningServer {
  readonly port: number;
  stop(): void;
}

/** Serves these resources on a free port of the loopback interface. */
export async function serve(
  resources: readonly Resource[] | LoadResources,
  version: string,
  pack: ProviderPackage = homespanPackage,
  log?: EngineLog,
): Promise<RunningServer> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  });
  const { handlers, cancel } = service(resources, version, pack, log);
  server.addService(stubs.ResourceProviderService, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    stop() {
      cancel();
      server.forceShutdown();
    },
  };
}
