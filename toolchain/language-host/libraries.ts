/**
 * The gRPC library and Pulumi's stubs, taken from the program's own node_modules: the host may be installed beside the
 * Pulumi CLI, outside any checkout, and its stubs must be those of the @pulumi/pulumi that the program loads.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as Grpc from "@grpc/grpc-js";
import type * as Emptypb from "google-protobuf/google/protobuf/empty_pb.js";
import type * as LanguageService from "@pulumi/pulumi/proto/language_grpc_pb.js";
import type * as LanguageMessages from "@pulumi/pulumi/proto/language_pb.js";
import type * as PluginMessages from "@pulumi/pulumi/proto/plugin_pb.js";

/** Everything the service needs from other packages. */
export interface Libraries {
  readonly grpc: typeof Grpc;
  readonly service: typeof LanguageService;
  readonly language: typeof LanguageMessages;
  readonly plugin: typeof PluginMessages;
  readonly empty: typeof Emptypb;
}

/** A `require` that resolves as a file in `directory` would. */
export function requireFrom(directory: string): NodeJS.Require {
  return createRequire(join(directory, "package.json"));
}

/**
 * Loads the libraries as the program in `directory` sees them. They are dependencies of @pulumi/pulumi, so they are
 * looked up from there: a package manager need not put them where the program finds them itself.
 */
export function loadLibraries(directory: string): Libraries {
  const program = requireFrom(directory);
  const sdk = createRequire(program.resolve("@pulumi/pulumi/package.json"));
  return {
    grpc: sdk("@grpc/grpc-js") as typeof Grpc,
    service: sdk("@pulumi/pulumi/proto/language_grpc_pb.js") as typeof LanguageService,
    language: sdk("@pulumi/pulumi/proto/language_pb.js") as typeof LanguageMessages,
    plugin: sdk("@pulumi/pulumi/proto/plugin_pb.js") as typeof PluginMessages,
    empty: sdk("google-protobuf/google/protobuf/empty_pb.js") as typeof Emptypb,
  };
}
