/** Answers of a server that closes the connection behind them, read late. */
import { type Server, createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetch } from "../../toolchain/fetch.ts";

/** As much as is taken from a connection at once: Node's own fetch ends the process over it. */
const bytes = 64 * 1024;
let server: Server;
let url: string;

beforeEach(async () => {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      const length = url.endsWith("/short") ? bytes + 1 : bytes;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(length)}\r\nConnection: close\r\n\r\n`);
      socket.end(Buffer.alloc(bytes, "a"));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  url = `http://127.0.0.1:${String(typeof address === "object" ? address?.port : 0)}/whole`;
});
afterEach(async () => {
  await new Promise((done) => server.close(done));
});

test("nothing is lost, and the process lives", async () => {
  for (const late of [0, 300]) {
    const response = await fetch(url);
    // The server is done with it, and nobody has read more than the beginning.
    await wait(late);
    expect((await response.arrayBuffer()).byteLength).toBe(bytes);
  }
});

test("an answer that is cut off is an error for whoever reads it", async () => {
  url = url.replace("whole", "short");
  const response = await fetch(url);
  await wait(300);
  await expect(response.arrayBuffer()).rejects.toThrow("terminated");
});
