/**
 * A proxy for programs of this machine that believe in the internet (HTTPS_PROXY). It takes the names of a rehearsal to the
 * addresses that play them, and everything else nowhere but into this machine's own networks: nothing that is rehearsed can
 * reach the real thing by mistake.
 */
import { type IncomingMessage, type Server, createServer } from "node:http";
import { BlockList, type Socket, connect, isIP } from "node:net";
import type { Duplex } from "node:stream";

const CONNECT_SECONDS = 10;

const inside = new BlockList();
for (const [network, prefix] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  // For benchmarks of networks (RFC 2544): a rehearsal's public addresses.
  ["198.18.0.0", 15],
] as const) {
  inside.addSubnet(network, prefix);
}
inside.addAddress("::1", "ipv6");

/** Where a connection to a host goes: an address, or `undefined` where it must not go. `*.name` stands for all below it. */
export function destination(host: string, hosts: Readonly<Record<string, string>>): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const mapped = Object.entries(hosts).find(([name]) =>
    name.startsWith("*.") ? bare.endsWith(name.slice(1)) : name === bare,
  )?.[1];
  if (mapped !== undefined) return mapped;
  if (bare === "localhost") return "127.0.0.1";
  const family = isIP(bare);
  if (family === 0) return undefined;
  return inside.check(bare, family === 4 ? "ipv4" : "ipv6") ? bare : undefined;
}

/** A server that is not listening yet. It answers CONNECT and nothing else. */
export function connectProxy(hosts: () => Readonly<Record<string, string>>): Server {
  const server = createServer((_incoming, outgoing) => {
    outgoing.writeHead(403, { "content-type": "text/plain" });
    outgoing.end("This proxy of a rehearsal answers CONNECT alone.\n");
  });
  server.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on("error", () => client.destroy());
    const [host, port] = splitTarget(incoming.url ?? "");
    const address = port === undefined ? undefined : destination(host, hosts());
    if (address === undefined || port === undefined) {
      client.end(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nX-Reason: not a part of the rehearsal\r\n\r\n",
      );
      return;
    }
    tunnel(client, head, connect({ host: address, port }));
  });
  return server;
}

function tunnel(client: Duplex, head: Buffer, upstream: Socket): void {
  let connected = false;
  upstream.setTimeout(CONNECT_SECONDS * 1000, () => upstream.destroy(new Error("timeout")));
  upstream.on("connect", () => {
    connected = true;
    upstream.setTimeout(0);
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) upstream.write(head);
    upstream.pipe(client);
    client.pipe(upstream);
  });
  upstream.on("error", () => {
    if (connected) client.destroy();
    else client.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  });
  upstream.on("close", () => client.end());
  client.on("close", () => upstream.destroy());
}

/** `host:443` -> `host`, 443. */
function splitTarget(target: string): [string, number | undefined] {
  const match = /^(.+):(\d{1,5})$/.exec(target);
  const port = Number(match?.[2] ?? 0);
  return [match?.[1] ?? "", port >= 1 && port <= 65535 ? port : undefined];
}
