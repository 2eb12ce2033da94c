/** Serves the language host on a port of this machine. */
import { loadLibraries } from "./libraries.ts";
import { Programs } from "./program.ts";
import { languageService } from "./service.ts";

/** A host that answers. */
export interface LanguageHost {
  readonly port: number;
  /** Ends the programs that run and stops answering. */
  close(): void;
}

/** How often the host looks whether the engine is still there, in milliseconds. */
const parentPollMilliseconds = 1000;

/**
 * Starts the host for the program in `directory`.
 * @param engineAddress host:port of the engine; a handshake may name another one.
 */
export async function serve(directory: string, engineAddress: string): Promise<LanguageHost> {
  const libraries = loadLibraries(directory);
  const { grpc, service } = libraries;
  const programs = new Programs();
  // A program's configuration may be larger than the library's default of 4 MiB.
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  server.addService(service.LanguageRuntimeService, languageService(libraries, programs, engineAddress));
  const port = await new Promise<number>((done, failed) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) done(bound);
      else failed(error);
    });
  });
  return {
    port,
    close() {
      programs.cancel();
      server.forceShutdown();
    },
  };
}

/** Calls `gone` once this process has lost the parent that started it: an engine that was killed cannot say so. */
export function watchParent(gone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, parentPollMilliseconds);
  timer.unref();
}
