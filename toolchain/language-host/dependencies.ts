/** `pulumi install`: the program's npm packages. */
import { spawn } from "node:child_process";
import type * as Grpc from "@grpc/grpc-js";
import type * as Language from "@pulumi/pulumi/proto/language_pb.js";
import type { Libraries } from "./libraries.ts";

type Call = Grpc.ServerWritableStream<
  Language.InstallDependenciesRequest,
  Language.InstallDependenciesResponse
>;

/** Runs `npm install` in the directory the engine names and passes on what npm prints. */
export function installDependencies({ grpc, language }: Libraries, call: Call): void {
  const npm = spawn("npm", ["install"], {
    cwd: call.request.getDirectory(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  npm.stdout.on("data", (chunk: Buffer) => {
    call.write(new language.InstallDependenciesResponse().setStdout(chunk));
  });
  npm.stderr.on("data", (chunk: Buffer) => {
    call.write(new language.InstallDependenciesResponse().setStderr(chunk));
  });
  call.on("cancelled", () => void npm.kill("SIGTERM"));
  const fail = (details: string): void => {
    call.emit("error", { code: grpc.status.UNKNOWN, details });
  };
  npm.once("error", (error) => {
    fail(`npm could not be started: ${error.message}`);
  });
  npm.once("close", (code) => {
    if (code === 0) call.end();
    else fail(`npm install exited with code ${String(code)}`);
  });
}
