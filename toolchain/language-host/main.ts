/**
 * `pulumi-language-nodejs`: Homespan's own language host for Node programs, for machines that cannot reach the place
 * Pulumi's is downloaded from. The engine starts it with its own address as the last argument, reads the port from
 * the first line of output and ends it with a signal.
 */
import { serve, watchParent } from "./server.ts";

const host = await serve(process.cwd(), process.argv.at(-1) ?? "");
const leave = (): void => {
  host.close();
  process.exit(0);
};
process.on("SIGINT", leave);
process.on("SIGTERM", leave);
watchParent(leave);
process.stdout.write(`${String(host.port)}\n`);
