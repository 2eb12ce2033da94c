/** A release server on this machine that can misbehave in the ways real ones do. */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Behaviour =
  | { readonly kind: "good" }
  | { readonly kind: "missing" }
  /** Sends that many bytes, then cuts the connection. @default every time */
  | { readonly kind: "cut"; readonly bytes: number; readonly times: number }
  /** Answers and then sends nothing more after the first bytes. */
  | { readonly kind: "stalls" }
  /** Sends everything, so many bytes at a time. */
  | { readonly kind: "trickles"; readonly bytes: number; readonly everyMs: number }
  | { readonly kind: "silent" }
  | { readonly kind: "wrong-sum" }
  | { readonly kind: "no-sum" };

export interface ReleaseServer {
  readonly url: string;
  readonly sums: string;
  /** The Range headers of the requests for the file, in order; "" for none. */
  readonly ranges: string[];
  behaviour: Behaviour;
  close(): Promise<void>;
}

export async function startReleaseServer(content: Buffer, name = "tool-1.0.tar.gz"): Promise<ReleaseServer> {
  const ranges: string[] = [];
  let cuts = 0;
  const digest = createHash("sha256").update(content).digest("hex");
  const server = createServer((request, response) => {
    if (request.url === "/sums.txt") sendSums(response);
    else sendFile(request, response);
  });
  const sendSums = (response: ServerResponse): void => {
    const { kind } = self.behaviour;
    if (kind === "no-sum") response.end(`${digest}  another-file\n${digest}  third-file\n`);
    else
      response.end(
        `${"0".repeat(64)}  another-file\n${kind === "wrong-sum" ? "1".repeat(64) : digest}  ./${name}\n`,
      );
  };
  const sendFile = (request: IncomingMessage, response: ServerResponse): void => {
    const range = request.headers.range ?? "";
    ranges.push(range);
    const { behaviour } = self;
    if (behaviour.kind === "silent") return;
    if (behaviour.kind === "missing") {
      response.writeHead(404).end();
      return;
    }
    const from = Number(/bytes=(\d+)-/.exec(range)?.[1] ?? 0);
    if (from >= content.length) {
      response.writeHead(416).end();
      return;
    }
    const rest = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": String(rest.length) });
    if (behaviour.kind === "stalls") response.write(rest.subarray(0, 10));
    else if (behaviour.kind === "cut" && cuts++ < behaviour.times) {
      response.write(rest.subarray(0, behaviour.bytes), () => {
        // What was sent is read by then, also on a busy machine: a reader that is told of the end first drops it.
        setTimeout(() => response.destroy(), 150);
      });
    } else if (behaviour.kind === "trickles") trickle(response, rest, behaviour.bytes, behaviour.everyMs);
    else response.end(rest);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const self: ReleaseServer = {
    url: `${base}/${name}`,
    sums: `${base}/sums.txt`,
    ranges,
    behaviour: { kind: "good" },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
  return self;
}

/** The first bytes at once, then more at each tick until all are sent or nobody reads. */
function trickle(response: ServerResponse, rest: Buffer, bytes: number, everyMs: number): void {
  let sent = 0;
  const send = (): void => {
    response.write(rest.subarray(sent, sent + bytes));
    sent += bytes;
    if (sent < rest.length) return;
    clearInterval(timer);
    response.end();
  };
  const timer = setInterval(send, everyMs);
  response.on("close", () => {
    clearInterval(timer);
  });
  send();
}
