/** An API that answers through a proxy alone: HTTP CONNECT, then TLS to the server itself. */
import { type Server, createServer } from "node:http";
import { type Server as HttpsServer, createServer as createHttpsServer } from "node:https";
import { type AddressInfo, type Socket, connect } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type Authority, makeAuthority, makeLeaf } from "../../provider/effects/certificates.ts";
import { HttpsKubernetes, Unreachable } from "../../provider/effects/kubernetes.ts";
import { adminKubeconfig } from "../../provider/logic/kubeconfig.ts";
import { Harness, plain, runSteward, stewardOf, transportOf } from "./harness.ts";

const NAME = "ci-server-1.tail.example.internal";
const now = Date.parse("2026-11-21T12:00:00Z");
const portOf = (server: Server | HttpsServer): number => (server.address() as AddressInfo).port;
const listening = (server: Server | HttpsServer): Promise<void> =>
  new Promise((done) => server.listen(0, "127.0.0.1", done));

let authority: Authority;
let api: HttpsServer;
let proxy: Server;
/** Host and port of each tunnel that was asked for. */
let tunnels: string[];
const open = new Set<Duplex>();

beforeAll(async () => {
  authority = await makeAuthority("test", now);
  const leaf = await makeLeaf(authority, NAME, "100.64.0.1", now);
  api = createHttpsServer({ cert: leaf.certificate, key: leaf.key }, (request, response) => {
    const { servername } = request.socket as Socket & { servername: string };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ path: request.url, servername }));
  });
  proxy = createServer();
  // Only the proxy knows the names of the network behind it.
  proxy.on("connect", (request, client) => {
    tunnels.push(request.url ?? "");
    if (!(request.url ?? "").startsWith(NAME)) {
      client.end("HTTP/1.1 500 Internal Server Error\r\n\r\nno such host");
      return;
    }
    const upstream = connect(portOf(api), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    for (const end of [client, upstream]) {
      open.add(end);
      end.on("error", () => undefined);
    }
  });
  await Promise.all([listening(api), listening(proxy)]);
});
afterAll(() => {
  for (const end of open) end.destroy();
  api.close();
  proxy.close();
});
beforeEach(() => {
  tunnels = [];
});

const proxyUrl = (): string => `http://127.0.0.1:${String(portOf(proxy))}`;
const url = `https://${NAME}:6443`;

function kubeconfig(through: string): string {
  const ca = Buffer.from(authority.certificate).toString("base64");
  const cluster = { "certificate-authority-data": ca };
  const own = { clusters: [{ cluster }], users: [{ user: {} }] };
  return adminKubeconfig(JSON.stringify(own), { clusterName: "ci", url, proxyUrl: through });
}

describe("the API through a proxy", () => {
  it("is the server's own, by its name, and one connection is kept", async () => {
    const api = await new HttpsKubernetes().connect({
      kubeconfig: kubeconfig(proxyUrl()),
      endpoints: [url],
    });
    for (const path of ["/readyz", "/api/v1/nodes"]) {
      expect(await api.call("GET", path)).toEqual({ status: 200, body: { path, servername: NAME } });
    }
    expect(tunnels).toEqual([`${NAME}:6443`]);
  });

  it("asks the next server when the proxy knows no such name", async () => {
    const gone = "https://ci-server-2.tail.example.internal:6443";
    const access = { kubeconfig: kubeconfig(proxyUrl()), endpoints: [gone, url] };
    const api = await new HttpsKubernetes().connect(access);
    expect(await api.call("GET", "/readyz")).toMatchObject({ status: 200 });
    const only = await new HttpsKubernetes().connect({ ...access, endpoints: [gone] });
    await expect(only.call("GET", "/readyz")).rejects.toThrow(
      /no API endpoint answered \(https:\/\/ci-server-2.*Failed to establish tunnel.*500/,
    );
  });

  it("is unreachable without its proxy, and that is said", async () => {
    const dead = "http://127.0.0.1:1";
    const api = await new HttpsKubernetes().connect({ kubeconfig: kubeconfig(dead), endpoints: [url, url] });
    const error: unknown = await api.call("GET", "/readyz").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Unreachable);
    expect((error as Error).message).toContain(`the proxy ${dead} does not answer (ECONNREFUSED)`);
    await expect(new HttpsKubernetes().ping(url, dead)).rejects.toThrow(Unreachable);
  });

  it("is pinged through it as well", async () => {
    const kubernetes = new HttpsKubernetes();
    expect(await kubernetes.ping(url, proxyUrl())).toBe(true);
    expect(tunnels).toEqual([`${NAME}:6443`]);
    expect(await kubernetes.ping("https://nobody.tail.example.internal:6443", proxyUrl())).toBe(false);
    expect(await kubernetes.ping(url)).toBe(false);
  });
});

describe("Kubeconfig with a proxy", () => {
  const inputs = {
    clusterName: "ci",
    servers: [{ nodeName: "server-1", transport: transportOf("server-1"), url }],
    proxyUrl: "http://127.0.0.1:20001",
    waitSeconds: 30,
    clusterId: "abc",
  };
  let h: Harness;
  beforeEach(async () => {
    h = new Harness();
    await h.start();
    runSteward(h, "server-1");
    const text = "{clusters: [{cluster: {certificate-authority-data: Y2E=}}], users: [{user: {}}]}";
    h.podman.files.set(stewardOf("server-1"), new Map([["etc/rancher/k3s/k3s.yaml", text]]));
  });
  afterEach(() => {
    h.stop();
  });

  it("names it where every client of Kubernetes looks, and goes through it itself", async () => {
    const { state } = await h.create("Kubeconfig", inputs);
    const made = parse(String(plain(state)["kubeconfig"])) as { clusters: { cluster: object }[] };
    expect(made.clusters[0]?.cluster).toEqual({
      "certificate-authority-data": "Y2E=",
      server: url,
      "proxy-url": inputs.proxyUrl,
    });
    expect(h.kubernetes.usedProxy).toBe(inputs.proxyUrl);
    const moved = { ...inputs, proxyUrl: "http://127.0.0.1:20002" };
    expect(await h.diff("Kubeconfig", state, moved)).toEqual({ proxyUrl: "update" });
    expect(plain(await h.update("Kubeconfig", state, moved))["kubeconfig"]).toContain(moved.proxyUrl);
  });

  it("says so when the proxy is what does not answer, and changes nothing then", async () => {
    const { state } = await h.create("Kubeconfig", inputs);
    const trouble = `the proxy ${inputs.proxyUrl} does not answer (ECONNREFUSED)`;
    h.kubernetes.ping = () => Promise.reject(new Unreachable(trouble));
    await expect(h.update("Kubeconfig", state, inputs)).rejects.toThrow(
      `no API server answered within 30 s. ${trouble}; server-1: `,
    );
    h.kubernetes.answering = new Set();
    expect(await h.read("Kubeconfig", state)).toEqual(state);
  });
});
