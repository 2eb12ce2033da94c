/** What the provider tells the user while a call is under way, through the engine (engine.proto). */
import grpc from "@grpc/grpc-js";

/** Shows a warning beside the resource of this URN. Never fails: whoever is told nothing has lost no more than that. */
export type EngineLog = (urn: string, message: string) => Promise<void>;

const ANSWER_SECONDS = 5;

/**
 * @param address where the engine answers, as it tells every plugin it starts; without one nobody is told anything
 */
export function engineLog(address: string | undefined): EngineLog {
  if (address === undefined || address === "") return () => Promise.resolve();
  return async (urn, message) => {
    // Loaded by the first who has something to say: most runs have nothing.
    const [{ default: stubs }, { default: proto }] = await Promise.all([
      import("@pulumi/pulumi/proto/engine_grpc_pb.js"),
      import("@pulumi/pulumi/proto/engine_pb.js"),
    ]);
    const client = new stubs.EngineClient(address, grpc.credentials.createInsecure());
    const request = new proto.LogRequest()
      .setSeverity(proto.LogSeverity.WARNING)
      .setMessage(message)
      .setUrn(urn);
    await new Promise<void>((resolve) => {
      client.log(request, new grpc.Metadata(), { deadline: Date.now() + ANSWER_SECONDS * 1000 }, () => {
        resolve();
      });
    });
    client.close();
  };
}
