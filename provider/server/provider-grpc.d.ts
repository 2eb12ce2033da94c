/** The generated gRPC stub ships without types; its service description is all that is used. */
declare module "@pulumi/pulumi/proto/provider_grpc_pb.js" {
  import type { ServiceDefinition } from "@grpc/grpc-js";
  const stubs: { readonly ResourceProviderService: ServiceDefinition };
  export default stubs;
}
