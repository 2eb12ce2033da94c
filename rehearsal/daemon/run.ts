/** The daemon's life: from its orders to the signal that ends it. */
import { startTime } from "../../toolchain/process.ts";
import { type ControlPlane, startServices } from "./services.ts";
import { asText, daemonFiles, readOrders, readProcess, removeState, writeFileWhole } from "./state.ts";

/** Serves a rehearsal's folder until the process is told to end; ends the process. */
export async function runDaemon(folder: string, plane: ControlPlane): Promise<never> {
  const stop = new AbortController();
  // The terminal it was started from may go away.
  process.on("SIGHUP", () => undefined);
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      stop.abort(new Error("stopped"));
    });
  }
  let code = 0;
  try {
    await serveUntil(stop.signal, folder, plane);
    console.log("stopped");
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    code = 1;
  }
  if ((await readProcess(folder))?.pid === process.pid) await removeState(folder);
  // A question to Podman may still be under way, and nobody waits for its answer.
  process.exit(code);
}

async function serveUntil(signal: AbortSignal, folder: string, plane: ControlPlane): Promise<void> {
  const orders = await readOrders(folder);
  if (orders === undefined)
    throw new Error(`${folder} must be the folder of a rehearsal with orders for its daemon`);
  const started = startTime(process.pid);
  await writeFileWhole(
    daemonFiles(folder).process,
    asText({ pid: process.pid, ...(started === undefined ? {} : { startTime: started }) }),
  );
  const running = await startServices(folder, orders, plane, signal);
  console.log(`ready: API ${running.state.apiUrl}, proxy ${running.state.proxyUrl}`);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => {
      resolve();
    });
  });
  await running.stop();
}
