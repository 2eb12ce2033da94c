/** Kubeconfig. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Harness, isSecret, plain, runSteward, stewardOf, transportOf } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

const one = "https://127.0.0.1:6443";
const two = "https://127.0.0.1:6444";

const K3S_YAML = `
clusters: [{name: default, cluster: {certificate-authority-data: Y2E=, server: "https://127.0.0.1:6443"}}]
users: [{name: default, user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}}]
`;

describe("Kubeconfig", () => {
  const inputs = {
    clusterName: "ci",
    servers: [
      { nodeName: "server-1", transport: transportOf("server-1"), url: one },
      { nodeName: "server-2", transport: transportOf("server-2"), url: two },
    ],
    tlsServerName: "ci-server-1",
    waitSeconds: 30,
    clusterId: "abc",
  };
  beforeEach(() => {
    for (const node of ["server-1", "server-2"]) {
      runSteward(h, node);
      h.podman.files.set(stewardOf(node), new Map([["etc/rancher/k3s/k3s.yaml", K3S_YAML]]));
    }
  });

  it("is a secret with the URL and the server name for TLS, under the cluster's name", async () => {
    const { state } = await h.create("Kubeconfig", inputs);
    expect(isSecret(state["kubeconfig"])).toBe(true);
    const text = String(plain(state)["kubeconfig"]);
    expect(text).toContain(`server: ${one}`);
    expect(text).toContain("tls-server-name: ci-server-1");
    expect(text).toContain("current-context: ci");
    expect(state["endpoint"]).toBe(one);
    expect(await h.diff("Kubeconfig", (await h.read("Kubeconfig", state)) ?? {}, inputs)).toEqual({});
  });

  it("takes the server that answers, and moves to another one when it stops answering", async () => {
    const { state } = await h.create("Kubeconfig", inputs);
    h.kubernetes.answering = new Set([two]);
    const found = (await h.read("Kubeconfig", state)) ?? {};
    expect(await h.diff("Kubeconfig", found, inputs)).toEqual({ endpoint: "update" });
    expect(await h.update("Kubeconfig", found, inputs)).toMatchObject({ endpoint: two });
    h.kubernetes.answering = new Set();
    expect(await h.read("Kubeconfig", state)).toEqual(state);
  });

  it("is replaced with the cluster, and its preview stays known", async () => {
    const { state } = await h.create("Kubeconfig", inputs);
    expect(await h.diff("Kubeconfig", state, { ...inputs, clusterId: "x" })).toEqual({
      clusterId: "replace",
    });
    expect(plain(await h.update("Kubeconfig", state, inputs, true))["kubeconfig"]).toBe(
      plain(state)["kubeconfig"],
    );
    await h.delete("Kubeconfig", state);
  });

  it("names the stage each server is stuck in", async () => {
    h.kubernetes.answering = new Set();
    h.podman.stageFiles.set(
      stewardOf("server-1"),
      JSON.stringify({
        stages: [
          { name: "tailnet", state: "done", attempts: 1 },
          { name: "artifacts", state: "failed", attempts: 3, error: "image not found" },
        ],
      }),
    );
    h.podman.containers.delete(stewardOf("server-2"));
    await expect(h.create("Kubeconfig", inputs)).rejects.toThrow(
      "no API server answered within 30 s. server-1: stage `artifacts` is failed, 3 attempts: image not found; " +
        "server-2: the node itself does not answer",
    );
  });
});
