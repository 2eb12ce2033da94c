import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { renderJoin } from "../../components/render/join.ts";
import { renderJoinConf } from "../../components/render/join-conf.ts";
import { renderK3sConfig } from "../../components/render/k3s-config.ts";
import { k3sImageFor, k3sReleaseOf } from "../../components/render/k3s-image.ts";
import { renderSnapshots } from "../../components/render/k3s-snapshots.ts";
import { renderRegistration } from "../../components/render/k3s-registration.ts";
import { k3sOptions, ownedOptions } from "../../components/upstream/k3s-options.ts";
import { agent, restricted, server } from "./samples.ts";

const read = (text: string): Record<string, unknown> => parse(text) as Record<string, unknown>;

describe("20-snapshots.yaml", () => {
  const target = {
    ...{ endpoint: "s3.eu-central-1.amazonaws.com", bucket: "prod-etcd-1a2b3c4d", region: "eu-central-1" },
    ...{ folder: "", accessKeyId: "AKIA0EXAMPLE", secretAccessKey: "a/b+c: #d", keep: 5 },
  };

  test("names the bucket and its key, each an option that k3s has", async () => {
    const text = renderSnapshots(target);
    await expect(text).toMatchFileSnapshot("golden/20-snapshots.yaml");
    expect(read(text)).toEqual({
      "etcd-s3": true,
      "etcd-s3-endpoint": "s3.eu-central-1.amazonaws.com",
      "etcd-s3-bucket": "prod-etcd-1a2b3c4d",
      "etcd-s3-region": "eu-central-1",
      "etcd-s3-access-key": "AKIA0EXAMPLE",
      "etcd-s3-secret-key": "a/b+c: #d",
      "etcd-s3-retention": 5,
    });
    for (const option of Object.keys(read(text))) expect(Object.keys(k3sOptions)).toContain(option);
  });

  test("has a folder only where one is wanted", () => {
    expect(read(renderSnapshots({ ...target, folder: "clusters/home" }))["etcd-s3-folder"]).toBe(
      "clusters/home",
    );
  });
});

describe("config.yaml", () => {
  test("of a server says when etcd is snapshotted, where that was chosen", () => {
    const snapshots = { schedule: "15 */6 * * *", keep: 9 };
    expect(read(renderK3sConfig({ ...server, snapshots }))).toEqual({
      ...read(renderK3sConfig(server)),
      "etcd-snapshot-schedule-cron": "15 */6 * * *",
      "etcd-snapshot-retention": 9,
    });
  });

  test("of a server", async () => {
    const text = renderK3sConfig(server);
    await expect(text).toMatchFileSnapshot("golden/server.yaml");
    expect(read(text)).toEqual({
      "agent-token-file": "/run/homespan/secrets/agent-token",
      disable: ["servicelb", "traefik"],
      "flannel-iface": "tailscale0",
      "node-name": "server-1",
      "resolv-conf": "/etc/homespan/resolv.conf",
      "secrets-encryption": true,
      "tls-san": ["ci-server-1.ci.tailnet.internal", "ci-server-1", "127.0.0.1"],
      "token-file": "/run/homespan/secrets/server-token",
      "write-kubeconfig-mode": "600",
    });
  });

  test("of an agent", async () => {
    const text = renderK3sConfig(agent);
    await expect(text).toMatchFileSnapshot("golden/agent.yaml");
    expect(read(text)).toEqual({
      "flannel-iface": "tailscale0",
      "kubelet-arg": ["max-pods=60"],
      "node-name": "agent-1",
      "protect-kernel-defaults": true,
      "resolv-conf": "/etc/homespan/resolv.conf",
      "token-file": "/run/homespan/secrets/agent-token",
    });
  });

  test("on a machine with cgroup v1 lets kubelet start, and the user has the last word", () => {
    const config = { ...agent, restrictions: restricted };
    expect(read(renderK3sConfig(config))["kubelet-arg"]).toEqual(["fail-cgroupv1=false", "max-pods=60"]);
  });

  test("never says where to join or how to start: the boot sequence does", () => {
    for (const config of [server, agent]) {
      const keys = Object.keys(read(renderK3sConfig(config)));
      for (const key of [
        "server",
        "cluster-init",
        "node-ip",
        "vpn-auth",
        "etcd-expose-metrics",
        "bind-address",
      ]) {
        expect(keys).not.toContain(key);
      }
    }
  });

  test("the topology's options win over extraConfig, and every one of them is owned", () => {
    const extraConfig = Object.fromEntries(Object.keys(ownedOptions).map((key) => [key, "taken"]));
    for (const config of [server, { ...agent, kubeletArgs: ["v=2"] }]) {
      const plain = read(renderK3sConfig({ ...config, extraConfig: {} }));
      expect(read(renderK3sConfig({ ...config, extraConfig }))).toMatchObject(plain);
      for (const key of Object.keys(plain)) {
        expect(ownedOptions).toHaveProperty(key);
      }
    }
  });

  test("same data, same bytes, in whatever order it comes", () => {
    const option = fc.tuple(
      fc.stringMatching(/^[a-z][a-z-]{0,20}$/),
      fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    );
    fc.assert(
      fc.property(fc.uniqueArray(option, { selector: ([key]) => key }), (entries) => {
        const render = (pairs: typeof entries): string =>
          renderK3sConfig({ ...server, extraConfig: Object.fromEntries(pairs) });
        expect(render(entries.toReversed())).toBe(render(entries));
        expect(read(render(entries))).toMatchObject({
          ...Object.fromEntries(entries.filter(([key]) => !(key in ownedOptions))),
        });
      }),
    );
  });
});

describe("registration", () => {
  const label = fc.tuple(
    fc.stringMatching(/^[a-z]{1,8}\.example\.com\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?$/),
    fc.oneof(
      fc.constantFrom("", "true", "null", "1e3", "0x10", "no", "~", "1.0"),
      fc.stringMatching(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?$/),
    ),
  );

  test("golden", async () => {
    const text = renderRegistration({
      labels: {
        "node-type": "steward",
        "homespan.dev/site": "home",
        "node-role.kubernetes.io/worker": "true",
      },
      taints: ["example.com/dedicated=batch:NoSchedule"],
    });
    await expect(text).toMatchFileSnapshot("golden/05-registration.yaml");
    expect(read(text)).toEqual({
      "node-label": ["homespan.dev/site=home", "node-type=steward"],
      "node-taint": ["example.com/dedicated=batch:NoSchedule"],
    });
  });

  test("every label survives the way through YAML", () => {
    fc.assert(
      fc.property(fc.uniqueArray(label, { selector: ([key]) => key }), (entries) => {
        const text = renderRegistration({ labels: Object.fromEntries(entries), taints: [] });
        const found = read(text)["node-label"] as string[];
        expect(found).toEqual(entries.map(([key, value]) => `${key}=${value}`).sort());
      }),
    );
  });

  test("labels kubelet refuses are left to the API", () => {
    const labels = {
      "node.kubernetes.io/x": "1",
      "k8s.io/y": "1",
      "kubernetes.io": "kept",
      "notkubernetes.io/z": "kept",
    };
    expect(read(renderRegistration({ labels, taints: [] }))["node-label"]).toEqual([
      "kubernetes.io=kept",
      "notkubernetes.io/z=kept",
    ]);
  });
});

test("join.conf", async () => {
  const text = renderJoinConf({
    role: "server",
    mode: "join",
    servers: ["ci-server-1.ci.tailnet.internal", "ci-server-3.ci.tailnet.internal"],
    tlsSans: ["ci-server-2.ci.tailnet.internal", "ci-server-2", "127.0.0.1"],
  });
  await expect(text).toMatchFileSnapshot("golden/join.conf");
  expect(text.split("\n").map((line) => line.split("=")[0])).toEqual(["ROLE", "MODE", "SERVERS", "SAN", ""]);
});

test("join.conf carries the address the world knows a node by, where it has one", () => {
  const conf = { role: "agent", mode: "join", servers: ["a.b"], tlsSans: [] } as const;
  expect(renderJoinConf({ ...conf, externalAddress: "198.51.100.11" })).toBe(
    `${renderJoinConf(conf)}EXTERNAL_IP=198.51.100.11\n`,
  );
});

describe("all files of a join", () => {
  const conf = { role: "agent", mode: "join", servers: ["a.b"], tlsSans: [] } as const;
  const join = { registration: { labels: {}, taints: [] }, fresh: conf, initialised: conf };

  test("a restricted machine also gets containerd's drop-in, importing what is beside it", async () => {
    const { files } = renderJoin({ ...join, k3s: { ...agent, restrictions: restricted } });
    const directory = "rancher/k3s/agent/etc/containerd";
    expect(Object.keys(files).sort()).toEqual([
      "etc/rancher/k3s/config.yaml",
      "etc/rancher/k3s/config.yaml.d/05-registration.yaml",
      `${directory}/config-v3.toml.tmpl`,
      `${directory}/homespan.toml`,
      "rancher/k3s/agent/etc/kubelet.conf.d/05-homespan.conf",
    ]);
    const template = files[`${directory}/config-v3.toml.tmpl`] ?? "";
    await expect(template).toMatchFileSnapshot("golden/config-v3.toml.tmpl");
    await expect(files[`${directory}/homespan.toml`]).toMatchFileSnapshot("golden/homespan.toml");
    expect(template.split("\n")[0]).toBe(`imports = ["/var/lib/${directory}/homespan.toml"]`);
  });

  test("an ordinary machine gets k3s's own containerd settings, and kubelet's drop-in", async () => {
    const { files } = renderJoin({ ...join, k3s: agent });
    const kubelet = "rancher/k3s/agent/etc/kubelet.conf.d/05-homespan.conf";
    expect(Object.keys(files).sort()).toEqual([
      "etc/rancher/k3s/config.yaml",
      "etc/rancher/k3s/config.yaml.d/05-registration.yaml",
      kubelet,
    ]);
    await expect(files[kubelet]).toMatchFileSnapshot("golden/kubelet.conf");
  });
});

test("a release and its image tag are the same thing", () => {
  const image = "registry.example.com:5000/rancher/k3s:v1.35.1-k3s1";
  expect(k3sReleaseOf(image)).toBe("v1.35.1+k3s1");
  expect(k3sImageFor(image, "v1.36.0-rc1+k3s2")).toBe(
    "registry.example.com:5000/rancher/k3s:v1.36.0-rc1-k3s2",
  );
});
