/** connect.ts ADDRESS PORT: prints `open`, `refused` or `silent`. Run inside a node's network. */
import { connect } from "node:net";

const [address = "", port = "0"] = process.argv.slice(2);

function finish(result: string): void {
  process.stdout.write(`${result}\n`);
  process.exit(0);
}

const socket = connect({ host: address, port: Number(port) });
socket.setTimeout(4000);
socket.once("connect", () => {
  finish("open");
});
socket.once("timeout", () => {
  finish("silent");
});
socket.once("error", (error: NodeJS.ErrnoException) => {
  finish(error.code === "ECONNREFUSED" ? "refused" : "silent");
});
