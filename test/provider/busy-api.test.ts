/** Servers come and go: an API that cannot answer now is asked again. */
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeAuthority, makeLeaf } from "../../provider/effects/certificates.ts";
import { type Answer, HttpsKubernetes, type Verb } from "../../provider/effects/kubernetes.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { Harness, runSteward, secret, transportOf } from "./harness.ts";
import { refuse } from "./trouble.ts";

const [one, two] = ["https://127.0.0.1:6443", "https://127.0.0.1:6444"];
const server = {
  clusterName: "ci",
  nodeName: "server-1",
  role: "server",
  kubeconfig: secret("kubeconfig"),
  endpoints: [one, two],
  ownEndpoint: one,
  transport: transportOf("server-1"),
  identity: "v1",
  etcd: true,
  labels: { "node-type": "steward" },
  tailnet: { kind: "headscale", container: "homespan-ci-headscale" },
  hostName: "ci-server-1",
  tag: "tag:ci-server",
  waitSeconds: 60,
  drainSeconds: 10,
};
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const LOCK = "homespan-server-change";
/** More often than a single call is repeated. */
const LONG = 40;

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
  runSteward(h, "server-1");
  for (const name of ["server-1", "server-2", "server-3"]) {
    h.kubernetes.nodes.set(name, fakeNode(name, { etcd: true }));
  }
  h.kubernetes.secrets.add("server-1.node-password.k3s");
});
afterEach(() => {
  h.stop();
});

describe("an API that cannot answer now", () => {
  it.each([
    ["GET /api/v1/nodes/server-1", 500, 1],
    ["GET /api/v1/nodes/server-1", 429, LONG],
    ["PATCH /api/v1/nodes/server-1", 504, 1],
  ])("does not end the wait for a node: %s, %i, %i times", async (call, status, times) => {
    refuse(h, call, status, times);
    expect((await h.create("Membership", server)).state).toMatchObject({ ready: true });
  });

  it.each([
    ["GET /api/v1/nodes/server-1", 1],
    ["GET /api/v1/nodes", 1],
    ["PATCH /api/v1/nodes/server-1", 1],
    ["GET /api/v1/pods", 1],
    ["POST /api/v1/namespaces/default/pods/web/eviction", 3],
    ["DELETE /api/v1/nodes/server-1", 1],
    ["DELETE /api/v1/namespaces/kube-system/secrets", 1],
    [`POST ${LEASES}`, 1],
    [`GET ${LEASES}/${LOCK}`, LONG],
    [`DELETE ${LEASES}`, 1],
  ])("does not end a removal: %s, %i times", async (call, times) => {
    const { state } = await h.create("Membership", server);
    h.kubernetes.pods.push({
      metadata: { name: "web", namespace: "default", ownerReferences: [{ kind: "ReplicaSet" }] },
      spec: { nodeName: "server-1" },
      status: { phase: "Running" },
    });
    if (call.startsWith("GET /apis")) {
      const metadata = { name: LOCK, uid: "u", resourceVersion: "7" };
      const spec = {
        holderIdentity: "server-2/x",
        renewTime: "2026-11-21T11:00:00Z",
        leaseDurationSeconds: 1,
      };
      h.kubernetes.leases.set(LOCK, { metadata, spec });
    }
    refuse(h, call, 500, times);
    await h.delete("Membership", state);
    expect(h.kubernetes.nodes.has("server-1")).toBe(false);
    expect(h.kubernetes.secrets.size + h.kubernetes.pods.length + h.kubernetes.leases.size).toBe(0);
  });

  it("is waited for while a node that was deleted disappears", async () => {
    const { state } = await h.create("Membership", server);
    const { nodes } = h.kubernetes;
    const begun = h.clock.now();
    refuse(h, "GET /api/v1/nodes/server-1", 500, LONG, () => !nodes.has("server-1"));
    await h.delete("Membership", state);
    expect(h.clock.now() - begun).toBeGreaterThan(5000);
    expect(nodes.has("server-1")).toBe(false);
  });

  it("changes nothing in a refresh, and after some seconds says nothing about a node", async () => {
    const { state } = await h.create("Membership", server);
    refuse(h, "GET /api/v1/nodes", 500);
    expect(await h.read("Membership", state)).toEqual(state);
    refuse(h, "GET /api/v1/nodes", 500, 1000);
    expect(await h.read("Membership", state)).toEqual({ ...state, ready: false });
  });
});

describe("the lock of a server's change", () => {
  it("is known as one's own when the answer to its making was lost", async () => {
    const { state } = await h.create("Membership", server);
    const connect = h.kubernetes.connect.bind(h.kubernetes);
    h.kubernetes.connect = async (access) => {
      const api = await connect(access);
      return {
        call: async (verb, path, body) => {
          const answer = await api.call(verb, path, body);
          return verb === "POST" && path === LEASES ? { status: 504, body: {} } : answer;
        },
      };
    };
    await h.delete("Membership", state);
    expect(h.kubernetes.leases.size).toBe(0);
  });

  it("stays when someone else took it over, because the removal took too long", async () => {
    const { state } = await h.create("Membership", server);
    const forget = h.kubernetes.nodes.delete.bind(h.kubernetes.nodes);
    h.kubernetes.nodes.delete = (name) => {
      const metadata = { name: LOCK, uid: `uid-${LOCK}`, resourceVersion: "2" };
      h.kubernetes.leases.set(LOCK, { metadata, spec: { holderIdentity: "server-2/x" } });
      return forget(name);
    };
    await h.delete("Membership", state);
    expect(h.kubernetes.leases.get(LOCK)?.spec["holderIdentity"]).toBe("server-2/x");
  });
});

describe("the API over HTTPS", () => {
  interface Spoken {
    readonly status: number;
    readonly body: string;
    readonly afterMilliseconds?: number;
  }
  let servers: Server[];
  let asked: number;
  beforeEach(() => {
    servers = [];
    asked = 0;
  });
  afterEach(() => {
    for (const made of servers) {
      made.closeAllConnections();
      made.close();
    }
  });

  /** How to ask, in this order, servers that say this. */
  async function speaking(
    answers: readonly Spoken[],
    { readMilliseconds = 20_000, nextMilliseconds = 100 } = {},
  ): Promise<(verb?: Verb) => Promise<Answer>> {
    const now = Date.parse("2026-11-21T12:00:00Z");
    const authority = await makeAuthority("test", now);
    const leaf = await makeLeaf(authority, "localhost", "127.0.0.1", now);
    servers = answers.map(({ status, body, afterMilliseconds = 0 }) =>
      createServer({ cert: leaf.certificate, key: leaf.key }, (_request, response) => {
        asked += 1;
        setTimeout(() => {
          response.writeHead(status, { "content-type": "application/json" }).end(body);
        }, afterMilliseconds).unref();
      }),
    );
    await Promise.all(servers.map((made) => new Promise<void>((done) => made.listen(0, "127.0.0.1", done))));
    const endpoints = servers.map(
      (made) => `https://127.0.0.1:${String((made.address() as AddressInfo).port)}`,
    );
    const ca = Buffer.from(authority.certificate).toString("base64");
    const kubeconfig = JSON.stringify({
      clusters: [{ cluster: { "certificate-authority-data": ca } }],
      users: [{ user: {} }],
    });
    const kubernetes = new HttpsKubernetes({ readMilliseconds, nextMilliseconds });
    const api = await kubernetes.connect({ kubeconfig, endpoints });
    return (verb = "GET") => api.call(verb, "/api/v1/nodes");
  }

  const busy = { status: 500, body: '{"message":"etcdserver: request timed out"}' };
  const cut = { status: 200, body: '{"items":[' };
  const well = { status: 200, body: "{}" };
  const silent = { ...well, afterMilliseconds: 60_000 };
  const slow = { ...well, body: '{"slow":true}', afterMilliseconds: 600 };

  it("asks the next server, and survives an answer that is cut off", async () => {
    expect(await (await speaking([busy, cut, well]))()).toEqual({ status: 200, body: {} });
  });

  it("says that a server is busy where no other one answers", async () => {
    expect(await (await speaking([busy, cut]))()).toMatchObject({ status: 500 });
  });

  it("says why no server answered", async () => {
    await expect((await speaking([cut]))()).rejects.toThrow("an answer that is no JSON");
  });

  it("puts a question to the next server beside one that is silent, and to that one first from then on", async () => {
    const ask = await speaking([silent, well], { nextMilliseconds: 1000 });
    expect(await ask()).toEqual({ status: 200, body: {} });
    expect(await ask()).toEqual({ status: 200, body: {} });
    expect(asked).toBe(3);
  });

  it("waits for a slow server where it is the only one that answers", async () => {
    expect(await (await speaking([slow, cut]))()).toEqual({ status: 200, body: { slow: true } });
  });

  it("waits no longer than a question is worth", async () => {
    const ask = await speaking([silent], { readMilliseconds: 200 });
    await expect(ask()).rejects.toThrow("no answer in time");
  });

  it("does not wait for a silent server while a busy one may be asked again", async () => {
    expect(await (await speaking([silent, busy, busy]))()).toMatchObject({ status: 500 });
  });

  it("asks for a change at one server at a time", async () => {
    const ask = await speaking([slow, well]);
    expect(await ask("DELETE")).toEqual({ status: 200, body: { slow: true } });
    expect(asked).toBe(1);
  });
});
