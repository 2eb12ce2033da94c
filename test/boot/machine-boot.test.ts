import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { renderArtifacts } from "../../components/render/machine-files.ts";
import { Machine } from "./machine.ts";

// A fetch that is not known to be one of the same programs is begun anew: the fake one writes nothing down.
const begin = ["restart homespan-fetch", "start homespan-boot", "restart homespan-fetch"];
// At a first start what is laid down with the machine is begun with at once.
const first = ["restart homespan-fetch", ...begin];
const order = ["start tailscaled", "up", "start k3s", "start homespan-bootstrapper"];

async function machine(): Promise<Machine> {
  return new Machine().seeded().tailscale();
}

describe.concurrent("the boot sequence with systemd", () => {
  test("takes a new machine through every stage, in order, and does again what has changed", async ({
    expect,
  }) => {
    using node = (await machine()).joinFiles();
    const result = await node.boot();
    expect(result).toMatchObject({ exitCode: 0 });
    expect(Object.values(node.stages()).map(({ name, state }) => `${name} ${state}`)).toEqual(
      ["tailnet", "address", "artifacts", "config", "k3s", "ready"].map((stage) => `${stage} done`),
    );
    expect(node.acts()).toEqual([...first, ...order]);
    expect(node.read("data/etc/rancher/k3s/config.yaml.d/10-address.yaml")).toContain(
      'node-ip: "100.64.0.7"\n',
    );
    expect(node.read("data/etc/resolv.conf.upstream")).toBe("nameserver 192.0.2.53\n");
    // The machine's own paths show the data directory.
    expect(node.read("fake/mounts").split("\n").slice(0, 4)).toEqual(
      ["etc/rancher", "var/lib/rancher", "var/lib/kubelet", "var/lib/tailscale"].map((it) =>
        join(node.root, it),
      ),
    );
    expect(node.log().filter((line) => line.startsWith("mount --make-shared"))).toHaveLength(4);

    // The key went over standard input, and is nowhere any more.
    expect(node.read("fake/key-seen")).toBe("hskey-auth-secret\n");
    expect(node.has("data/secrets/authkey") || node.has("etc/homespan/seed/authkey")).toBe(false);
    expect(node.log().join("\n") + result.stderr).not.toContain("hskey-auth-secret");
    expect(statSync(join(node.data, "secrets")).mode & 0o777).toBe(0o700);

    // Once more, and without a first start's haste: the data directory may know of newer programs. Everything is in
    // place, and nobody has to look at the data directory for long.
    await node.boot();
    expect(node.log().filter((line) => /^(mount|mountpoint|systemd-detect-virt)/.test(line))).toEqual([]);
    expect(node.acts()).toEqual([...begin, ...order.filter((act) => act !== "up")]);
    expect(node.log().filter((line) => line.startsWith("given"))).toEqual([]);
    expect(node.unit("k3s.service")).toBe("active");

    // k3s is restarted for another run of tailscaled, and for another k3s.
    node.put("fake/units/tailscaled.service", "active 7\n");
    await node.boot();
    expect(node.acts()).toContain("restart k3s");
    node.put("fake/mirror/k3s", "#!/bin/sh\necho another k3s\n");
    node.put("data/artifacts.conf", renderArtifacts([node.artifact("K3S", node.read("fake/mirror/k3s"))]));
    await node.boot();
    expect(node.acts()).toContain("restart k3s");
    expect(node.read("usr/local/bin/k3s")).toContain("another");
  });

  test("takes what came with the boot files to its place, and downloads before there is one", async ({
    expect,
  }) => {
    using node = new Machine().seeded();
    const delivered = renderArtifacts([node.artifact("K3S", "another")]);
    const seed = "usr/lib/homespan/seed";
    node
      .put(`${seed}/artifacts.conf`, delivered)
      .put(`${seed}/node.conf`, "NODE=agent-2\nTAILNET_HOSTNAME=ci-agent-2\nLOGIN_SERVER=\n")
      .put(`${seed}/authkey`, "hskey-other\n", 0o600)
      .put(`${seed}/firewall.nft`, "table inet homespan {}\n")
      .put("data/artifacts.conf", "K3S_PATH=/former\n")
      // What fetch would have written down.
      .put("run/homespan/fetching", delivered)
      .put("etc/homespan/machine.conf", "DATA_DISK=wanted\n");
    await node.boot(2);
    expect(node.acts()).toEqual(["start homespan-fetch"]);
    expect(node.has("data/steward/node.conf")).toBe(false);
    node.put("etc/homespan/machine.conf", "DATA_DISK=none\n");
    await node.boot(2);
    // Where it is written makes no difference: what runs goes on.
    expect(node.acts()).toEqual(["start homespan-fetch", "start homespan-boot"]);
    expect(node.read("data/artifacts.conf")).toBe(delivered);
    expect(node.read("data/steward/node.conf")).toContain("NODE=agent-2\n");
    expect(node.read("data/secrets/authkey")).toBe("hskey-other\n");
    expect(statSync(join(node.data, "secrets/authkey")).mode & 0o777).toBe(0o600);
    expect(node.has("data/firewall.nft")).toBe(true);
    expect(readdirSync(join(node.root, seed))).toEqual([]);
  });

  test("with routes to pods says them to tailscale, and lets k3s run when tailscaled is started again", async ({
    expect,
  }) => {
    using node = (await machine()).joinFiles();
    node.put("data/join.conf", `${node.read("data/join.conf")}POD_NETWORK=routes\n`);
    node.put("data/rancher/k3s/agent/pod-subnet", "10.42.3.0/24\n");
    await node.boot();
    const told =
      "tailscale set --accept-routes --snat-subnet-routes=false --netfilter-mode=nodivert --advertise-routes=10.42.3.0/24";
    expect(node.log()).toContain(told);
    node.put("fake/units/tailscaled.service", "active 7\n");
    await node.boot();
    expect(node.acts()).not.toContain("restart k3s");
    expect(node.log()).toContain(told);
    // Another k3s is still another one.
    node.put("fake/mirror/k3s", "#!/bin/sh\necho another k3s\n");
    node.put("data/artifacts.conf", renderArtifacts([node.artifact("K3S", node.read("fake/mirror/k3s"))]));
    await node.boot();
    expect(node.acts()).toContain("restart k3s");
  });

  test("goes through them where /usr and / are read-only: library and data directory are elsewhere", async ({
    expect,
  }) => {
    const places = { library: "usr/local/libexec/homespan", data: "var/lib/homespan/data" };
    using node = (await new Machine("prepared", places).seeded().tailscale()).joinFiles();
    expect(await node.boot()).toMatchObject({ exitCode: 0 });
    expect(Object.values(node.stages()).map(({ state }) => state)).toEqual(Array(6).fill("done"));
    expect(node.acts()).toEqual([...first, ...order]);
    expect(node.log()).toContain(
      `mount --bind --make-private ${join(node.data, "rancher")} ${join(node.root, "var/lib/rancher")}`,
    );
    expect(JSON.parse((await node.call("stage")).stdout)).toHaveProperty("stages");
    expect((await node.call("checksums", ["join.conf"])).stdout).toMatch(/^[0-9a-f]{64} {2}join\.conf$/);
    await node.call("k3s-stop");
    expect(node.has(`${places.data}/steward/k3s.stopped`)).toBe(true);
    expect(node.has("data") || node.has("usr/lib/homespan")).toBe(false);
  });

  test("leaves a stopped k3s alone, by whomever it was stopped, until it is started", async ({ expect }) => {
    using node = (await machine()).joinFiles();
    node.put("fake/units/k3s.service", "inactive 1\n");
    await node.boot();
    expect(node.acts().filter((act) => act === "start k3s" || act === "restart k3s")).toEqual([]);
    expect(node.unit("k3s.service")).toBe("inactive");
    expect(node.stages()["k3s"]).toMatchObject({
      state: "waiting",
      error: expect.stringContaining("k3s-start") as unknown,
    });
  });

  test("names what it waits for, and ends when told to", async ({ expect }) => {
    using node = (await machine()).put("fake/fast", "");
    await node.boot(125);
    expect(node.stages()["config"]).toMatchObject({
      state: "failed",
      error: "join.conf is missing: the join layer has not written it yet",
    });
    expect(node.acts()).not.toContain("start k3s");
  });

  test("a key that comes later makes tailscaled ask who it is, and log in with it", async ({ expect }) => {
    using node = (await machine()).put("fake/fast", "").put("fake/late-key", "hskey-auth-second\n", 0o600);
    const { stderr } = await node.boot(400);
    // Not a stop, which would end the sequence as well and leave nobody to start them again.
    expect(node.acts().filter((act) => act.endsWith("tailscaled") || act === "up")).toEqual([
      ...["start tailscaled", "up"],
      ...["restart tailscaled", "start tailscaled", "up"],
    ]);
    expect(node.read("fake/key-seen")).toBe("hskey-auth-second\n");
    expect(node.has("data/secrets/authkey")).toBe(false);
    expect(stderr).toContain("a new key for the tailnet has come");
    expect(stderr).not.toContain("not found");
  });

  test("a k3s that ends at once is visible with its last words", async ({ expect }) => {
    using node = (await machine()).joinFiles().put("fake/dies/k3s.service", "");
    await node.boot(8);
    expect(node.stages()["k3s"]).toMatchObject({
      state: "failed",
      error: "k3s ended with exit code 1: last words",
    });
  });

  test("takes the resolvers behind systemd-resolved, delivered firewall rules, and another CA of the control server", async ({
    expect,
  }) => {
    using node = (await machine()).joinFiles();
    node.put("etc/resolv.conf", "nameserver 127.0.0.53\n");
    node.put("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n");
    node.put("data/firewall.nft", "table inet homespan {}\n").put("etc/homespan/seed/ca.pem", "one\n");
    node.put("fake/units/tailscaled.service", "active 1\n");
    await node.boot();
    expect(node.read("data/etc/resolv.conf.upstream")).toBe("nameserver 192.0.2.1\n");
    expect(node.read("etc/homespan/firewall.nft")).toBe("table inet homespan {}\n");
    expect(node.log()).toContain(`nft --file ${join(node.data, "firewall.nft")}`);
    expect(node.read("data/boot/tailscaled.env")).toMatch(
      /^TS_NO_LOGS_NO_SUPPORT=true\n# [0-9a-f]{64}\nSSL_CERT_FILE=.*\/data\/boot\/ca.pem\n$/,
    );
    expect(node.acts().slice(0, 5)).toEqual([...first, "restart tailscaled"]);
  });

  test("sends Tailscale its logs in a tailnet of Tailscale's alone", async ({ expect }) => {
    using node = (await machine()).joinFiles();
    await node.boot();
    expect(node.read("data/boot/tailscaled.env")).toBe("TS_NO_LOGS_NO_SUPPORT=true\n");
    using theirs = (await machine()).joinFiles();
    theirs.put("etc/homespan/seed/node.conf", "NODE=agent-1\nTAILNET_HOSTNAME=ci-agent-1\nLOGIN_SERVER=\n");
    await theirs.boot();
    expect(theirs.read("data/boot/tailscaled.env").trim()).toBe("");
  });

  test("refuses a machine on which another installation lives", async ({ expect }) => {
    using node = (await machine()).joinFiles().put("var/lib/rancher/k3s/server/token", "theirs");
    await node.boot(0);
    expect(node.stages()["tailnet"]?.error).toBe(
      "/var/lib/rancher must be empty, this machine is in use by another installation: it holds k3s ",
    );
    expect(node.acts()).toEqual([]);
    // What came with the boot files is not downloaded into the place of theirs either.
    node.put("usr/lib/homespan/seed/artifacts.conf", node.read("etc/homespan/artifacts.conf"));
    await node.boot(0);
    expect(node.acts()).toEqual([]);
  });
});
