/** Servers come and go: an API that cannot answer now is asked again. */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeAuthority, makeLeaf } from "../../provider/effects/certificates.ts";
import { HttpsKubernetes } from "../../provider/effects/kubernetes.ts";
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
  it("asks the next server, and survives an answer that is cut off", async () => {
    const now = Date.parse("2026-11-21T12:00:00Z");
    const authority = await makeAuthority("test", now);
    const leaf = await makeLeaf(authority, "localhost", "127.0.0.1", now);
    const answers = [
      { status: 500, body: '{"message":"etcdserver: request timed out"}' },
      { status: 200, body: '{"items":[' },
      { status: 200, body: "{}" },
    ];
    const servers = answers.map(({ status, body }) =>
      createServer({ cert: leaf.certificate, key: leaf.key }, (_request, response) => {
        response.writeHead(status, { "content-type": "application/json" }).end(body);
      }),
    );
    await Promise.all(servers.map((made) => new Promise<void>((done) => made.listen(0, "127.0.0.1", done))));
    try {
      const urls = servers.map((made) => `https://127.0.0.1:${String((made.address() as AddressInfo).port)}`);
      const ca = Buffer.from(authority.certificate).toString("base64");
      const kubeconfig = JSON.stringify({
        clusters: [{ cluster: { "certificate-authority-data": ca } }],
        users: [{ user: {} }],
      });
      const ask = async (endpoints: readonly string[]) => {
        const api = await new HttpsKubernetes().connect({ kubeconfig, endpoints });
        return api.call("GET", "/api/v1/nodes");
      };
      expect(await ask(urls)).toEqual({ status: 200, body: {} });
      expect(await ask(urls.slice(0, 2))).toMatchObject({ status: 500 });
      await expect(ask(urls.slice(1, 2))).rejects.toThrow("an answer that is no JSON");
    } finally {
      for (const made of servers) {
        made.closeAllConnections();
        made.close();
      }
    }
  });
});
