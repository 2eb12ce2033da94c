/** A mirror of the programs machines download, over HTTP: what it gives is trusted for its checksum. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { MadeArtifact } from "./artifacts.ts";

/** The path of an artifact below the mirror's URL; another content has another one. */
export function mirrorPath({ sha256, fileName }: MadeArtifact): string {
  return `/${sha256.slice(0, 16)}/${encodeURIComponent(fileName)}`;
}

/**
 * A server that is not listening yet.
 *
 * It listens everywhere, as the machines' network may have its address later than this, and ends connections to any address
 * but these.
 */
export function mirrorServer(artifacts: readonly MadeArtifact[], addresses: readonly string[]): Server {
  const files = new Map(artifacts.map((artifact) => [mirrorPath(artifact), artifact.file]));
  const server = createServer((incoming, outgoing) => {
    void answer(files.get(incoming.url ?? ""), incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.on("connection", (socket) => {
    const local = socket.localAddress?.replace(/^::ffff:/, "") ?? "";
    if (!addresses.includes(local)) socket.destroy();
  });
  return server;
}

async function answer(
  file: string | undefined,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (file === undefined || (incoming.method !== "GET" && incoming.method !== "HEAD")) {
    outgoing.writeHead(file === undefined ? 404 : 405, { "content-type": "text/plain" });
    outgoing.end("not here\n");
    return;
  }
  const { size } = await stat(file);
  const range = /^bytes=(\d+)-$/.exec(incoming.headers.range ?? "");
  const start = Number(range?.[1] ?? 0);
  if (range !== null && start >= size) {
    outgoing.writeHead(416, { "content-range": `bytes */${String(size)}` });
    outgoing.end();
    return;
  }
  outgoing.writeHead(range === null ? 200 : 206, {
    "content-type": "application/octet-stream",
    "content-length": String(size - start),
    "accept-ranges": "bytes",
    ...(range === null
      ? {}
      : { "content-range": `bytes ${String(start)}-${String(size - 1)}/${String(size)}` }),
  });
  if (incoming.method === "HEAD") {
    outgoing.end();
    return;
  }
  createReadStream(file, { start })
    .on("error", () => outgoing.destroy())
    .pipe(outgoing);
}
