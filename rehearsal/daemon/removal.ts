/** Ends a rehearsal's tailnet: its account, its control server and all its devices. */
import { rm } from "node:fs/promises";
import type { Effects } from "../../provider/effects/effects.ts";
import { removeControlServer } from "../clouds/tailscale/control-server.ts";
import { stopDaemon } from "./daemon.ts";
import { daemonFiles } from "./state.ts";

/** Takes away all that the daemon of this folder ever made outside of the cache. Succeeds when it is gone. */
export async function removeTailnet(folder: string, world: string, effects: Effects): Promise<void> {
  await stopDaemon(folder);
  const files = daemonFiles(folder);
  await removeControlServer({ effects, file: files.controlServer, world });
  for (const file of [
    files.account,
    files.orders,
    files.ports,
    files.caFile,
    files.artifacts,
    files.log,
    files.headscaleKey,
  ]) {
    await rm(file, { force: true });
  }
}
