/** Where the proxy of a rehearsal lets programs go. */
import { type Server, createServer } from "node:http";
import { type AddressInfo, type Socket, connect, createServer as createTcpServer } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectProxy, destination } from "../../../rehearsal/daemon/proxy.ts";

const hosts = { "controlplane.tailscale.com": "127.0.0.1" };

describe("a destination", () => {
  it("is a name of the rehearsal, or inside this machine's networks", () => {
    const found = (host: string) => destination(host, { "controlplane.tailscale.com": "10.89.1.10" });
    expect(found("controlplane.tailscale.com")).toBe("10.89.1.10");
    expect(found("ControlPlane.Tailscale.com")).toBe("10.89.1.10");
    for (const address of [
      "127.0.0.1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.1.1",
      "198.18.5.1",
      "198.19.255.1",
    ]) {
      expect(found(address)).toBe(address);
    }
    expect(found("[::1]")).toBe("::1");
    expect(found("localhost")).toBe("127.0.0.1");
    for (const host of [
      ...["log.tailscale.com", "api.tailscale.com", "xcontrolplane.tailscale.com", "8.8.8.8", "172.32.0.1"],
      ...["198.20.0.1", "100.64.0.1", "169.254.169.254", "2001:db8::1", "::ffff:8.8.8.8", "", "0.0.0.0"],
    ]) {
      expect([host, found(host)]).toEqual([host, undefined]);
    }
  });
});

describe("the proxy", () => {
  let proxy: Server;
  let proxyPort: number;
  const upstream = createTcpServer((socket) => socket.pipe(socket));
  let upstreamPort: number;
  beforeAll(async () => {
    proxy = connectProxy(() => hosts);
    proxyPort = await listening(proxy);
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    upstreamPort = (upstream.address() as AddressInfo).port;
  });
  afterAll(() => {
    proxy.closeAllConnections();
    proxy.close();
    upstream.close();
  });

  const ask = async (target: string, early = ""): Promise<{ line: string; socket: Socket }> => {
    const socket = connect(proxyPort, "127.0.0.1");
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n${early}`);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    return { line: chunk.toString().split("\r\n")[0] ?? "", socket };
  };

  it("connects, and carries what came with the request", async () => {
    const { line, socket } = await ask(`controlplane.tailscale.com:${String(upstreamPort)}`, "early ");
    expect(line).toBe("HTTP/1.1 200 Connection established");
    socket.write("late");
    let text = "";
    while (!text.endsWith("late")) text += String(((await once(socket, "data")) as [Buffer])[0]);
    expect(text).toBe("early late");
    socket.end();
    await once(socket, "close");
  });

  it("refuses the internet, and says so of what does not answer", async () => {
    expect((await ask("log.tailscale.com:443")).line).toBe("HTTP/1.1 403 Forbidden");
    expect((await ask("controlplane.tailscale.com")).line).toBe("HTTP/1.1 403 Forbidden");
    expect((await ask("controlplane.tailscale.com:99999")).line).toBe("HTTP/1.1 403 Forbidden");
    const free = createServer();
    const port = await listening(free);
    free.close();
    expect((await ask(`127.0.0.1:${String(port)}`)).line).toBe("HTTP/1.1 502 Bad Gateway");
  });

  it("answers nothing but CONNECT", async () => {
    expect((await fetch(`http://127.0.0.1:${String(proxyPort)}/`)).status).toBe(403);
  });
});

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
