/** The LanguageRuntime service: what the Pulumi engine asks a language host, answered for Node programs. */
import type * as Grpc from "@grpc/grpc-js";
import type { Empty } from "google-protobuf/google/protobuf/empty_pb.js";
import type * as Language from "@pulumi/pulumi/proto/language_pb.js";
import type * as Plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import { installDependencies } from "./dependencies.ts";
import { requireFrom, type Libraries } from "./libraries.ts";
import { parseOptions, type ProgramPlace, type Programs, type RunRequest } from "./program.ts";

type Call<Request> = Grpc.ServerUnaryCall<Request, unknown>;
type Reply<Response> = Grpc.sendUnaryData<Response>;

/**
 * The handlers by the service's method names. What is not here (plugins written in a language, code generation) gets
 * the library's own answer UNIMPLEMENTED, which the engine understands.
 */
export function languageService(
  libraries: Libraries,
  programs: Programs,
  engineAddress: string,
): Grpc.UntypedServiceImplementation {
  const { language, plugin, empty } = libraries;
  let engine = engineAddress;

  return {
    handshake(
      call: Call<Language.LanguageHandshakeRequest>,
      reply: Reply<Language.LanguageHandshakeResponse>,
    ) {
      engine = call.request.getEngineAddress() || engine;
      reply(null, new language.LanguageHandshakeResponse());
    },

    getPluginInfo(_call: Call<Empty>, reply: Reply<Plugin.PluginInfo>) {
      reply(null, new plugin.PluginInfo().setVersion(sdkVersion(process.cwd())));
    },

    getRequiredPackages: unary<Language.GetRequiredPackagesRequest, Language.GetRequiredPackagesResponse>(
      ({ request }) => {
        // It is asked before resources are read, and a run follows.
        programs.prepare(programPlace(request.getInfo()));
        // None: the engine finds a plugin when its first resource comes, also one that serves a package under another name
        // (its SDK registers that). Named here it would be looked for before each run of every stack.
        return new language.GetRequiredPackagesResponse();
      },
    ),

    getRequiredPlugins(
      _call: Call<Language.GetRequiredPluginsRequest>,
      reply: Reply<Language.GetRequiredPluginsResponse>,
    ) {
      reply(null, new language.GetRequiredPluginsResponse());
    },

    runtimeOptionsPrompts(
      _call: Call<Language.RuntimeOptionsRequest>,
      reply: Reply<Language.RuntimeOptionsResponse>,
    ) {
      reply(null, new language.RuntimeOptionsResponse());
    },

    about: unary<Language.AboutRequest, Language.AboutResponse>(() =>
      new language.AboutResponse().setExecutable(process.execPath).setVersion(process.version),
    ),

    run: unary<Language.RunRequest, Language.RunResponse>(async (call) => {
      if (call.request.getAttachDebugger()) {
        return new language.RunResponse().setError(
          "this language host cannot attach a debugger, use `nodeargs: --inspect-brk`",
        );
      }
      const result = await programs.run(runRequest(call.request, engine), cancellation(call));
      return new language.RunResponse().setError(result.error).setBail(result.bail);
    }),

    installDependencies(
      call: Grpc.ServerWritableStream<
        Language.InstallDependenciesRequest,
        Language.InstallDependenciesResponse
      >,
    ) {
      installDependencies(libraries, call);
    },

    cancel(_call: Call<Empty>, reply: Reply<Empty>) {
      programs.cancel();
      reply(null, new empty.Empty());
    },
  };
}

/** Turns a function into a handler: what it throws becomes the error of the call. */
function unary<Request, Response>(
  handle: (call: Call<Request>) => Response | Promise<Response>,
): (call: Call<Request>, reply: Reply<Response>) => void {
  return (call, reply) => {
    const answer = async (): Promise<Response> => handle(call);
    answer().then(
      (response) => {
        reply(null, response);
      },
      (error: unknown) => {
        reply(error instanceof Error ? error : new Error(String(error)));
      },
    );
  };
}

/** A signal that is aborted when the engine gives up on the call. */
function cancellation(call: Call<unknown>): AbortSignal {
  const controller = new AbortController();
  call.on("cancelled", () => {
    controller.abort();
  });
  return controller.signal;
}

function runRequest(request: Language.RunRequest, engineAddress: string): RunRequest {
  const info = request.getInfo();
  return {
    engineAddress,
    monitorAddress: request.getMonitorAddress(),
    project: request.getProject(),
    stack: request.getStack(),
    organization: request.getOrganization(),
    pwd: request.getPwd(),
    ...programPlace(info),
    rootDirectory: info?.getRootDirectory() ?? request.getPwd(),
    entryPoint: info?.getEntryPoint() ?? request.getProgram(),
    args: request.getArgsList(),
    dryRun: request.getDryrun(),
    parallel: request.getParallel(),
    config: Object.fromEntries(request.getConfigMap().toArray()),
    configSecretKeys: request.getConfigsecretkeysList(),
  };
}

function programPlace(info: Language.ProgramInfo | undefined): ProgramPlace {
  return {
    rootDirectory: info?.getRootDirectory() ?? "",
    programDirectory: programDirectory(info),
    options: parseOptions(info?.getOptions()?.toJavaScript() ?? {}),
  };
}

function programDirectory(info: Language.ProgramInfo | undefined): string {
  const directory = info?.getProgramDirectory() ?? "";
  return directory === "" ? process.cwd() : directory;
}

/** The host is as new as the SDK whose stubs it answers with. */
function sdkVersion(directory: string): string {
  const manifest = requireFrom(directory)("@pulumi/pulumi/package.json") as { readonly version: string };
  return manifest.version;
}
