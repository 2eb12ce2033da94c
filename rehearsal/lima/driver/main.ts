/**
 * The process of one virtual machine's driver. Argument: `--inst-dir DIRECTORY`.
 *
 * It listens before it loads what answers: limactl waits ten seconds for the socket, however busy the machine is.
 */
import { existsSync, rmSync } from "node:fs";
import { type Socket, createServer } from "node:net";
import { join } from "node:path";
import type { DriverService } from "./service.ts";

const goneMilliseconds = 5000;

const [flag, directory] = process.argv.slice(2);
if (flag !== "--inst-dir" || directory === undefined)
  throw new Error("usage: lima-driver-vz --inst-dir DIRECTORY");
const socket = join(directory, "vz.drv.sock");
const early: Socket[] = [];
const loaded: { service?: DriverService } = {};

rmSync(socket, { force: true });
const server = createServer((connection) => {
  if (loaded.service === undefined) early.push(connection);
  else loaded.service.serve(connection);
});
server.listen(socket);
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    loaded.service?.end();
    rmSync(socket, { force: true });
    process.exit(0);
  });
}
// Nobody ends a driver whose instance was removed while limactl waited for it.
setInterval(() => {
  if (!existsSync(directory)) process.exit(0);
}, goneMilliseconds).unref();

const { driverService } = await import("./service.ts");
const service = driverService();
loaded.service = service;
for (const connection of early) {
  // One that only looked whether somebody listens is gone.
  if (!connection.destroyed) service.serve(connection);
}
