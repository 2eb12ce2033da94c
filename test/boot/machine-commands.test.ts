import { execa } from "execa";
import { mkdirSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test, vi } from "vitest";
import { bakedFiles, bootFiles } from "../../components/render/machine-files.ts";
import { placedUnit } from "../../components/render/immutable-machine.ts";
import { renderUserData } from "../../components/render/user-data.ts";
import { writeArchive } from "../../provider/effects/archive.ts";
import { Machine, sha256, sourceText, userDataTexts } from "./machine.ts";

const userData = renderUserData({
  sources: userDataTexts(),
  dataDisk: "none",
  firewall: { outside: "closed", sshPorts: [22], ingress: false },
  artifacts: [],
  node: {
    nodeName: "agent-1",
    tailnetHostName: "ci-agent-1",
    loginServer: "",
    caCertificate: "",
    authKey: "tskey-auth-secret",
  },
});

/** A machine that has run its user-data. */
async function fresh(): Promise<Machine> {
  const node = new Machine("bare").put("user-data", userData);
  await node.sh(join(node.root, "user-data"));
  return node;
}

function delivery(): Promise<Uint8Array> {
  return writeArchive(
    bootFiles.map(({ source, path, mode }) => ({ path, mode, content: sourceText(source) })),
  );
}

describe.concurrent("a machine's commands", () => {
  test("user-data brings firewall and commands; the boot files come byte for byte, and are started", async ({
    expect,
  }) => {
    using node = await fresh();
    expect(node.log().slice(-4, -1)).toEqual([
      "systemctl daemon-reload",
      "systemctl enable --quiet homespan-firewall.service",
      "systemctl reload-or-restart homespan-firewall.service",
    ]);
    expect(statSync(join(node.root, "etc/homespan/seed/authkey")).mode & 0o777).toBe(0o600);
    expect(node.read("etc/homespan/machine.conf")).toBe("DATA_DISK=none\n");

    const sums = bootFiles.map(({ source, path }) => `${sha256(sourceText(source))}  ${path}`);
    node.put("usr/lib/homespan/awaits-start", "");
    const received = await node.call("boot-files", ["receive"], await delivery());
    expect(received.stdout.split("\n").sort()).toEqual([...sums].sort());
    const checked = await node.call("boot-files", ["checksums", ...bootFiles.map(({ path }) => path)]);
    expect(checked.stdout.split("\n")).toEqual(sums);
    for (const { path, mode } of [...bootFiles, ...bakedFiles]) {
      expect(statSync(join(node.lib, path)).mode & 0o777).toBe(path === "boot-files" ? 0o755 : mode);
    }

    node.put("fake/log", "");
    expect(await node.call("boot-files", ["start"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(node.has("usr/lib/homespan/awaits-start")).toBe(false);
    // systemd reads units that are new to it by itself.
    expect(node.log()).toEqual(["systemctl restart --no-block homespan-boot.service", ""]);
    const enabled = "etc/systemd/system/multi-user.target.wants";
    expect(readlinkSync(join(node.root, enabled, "homespan-boot.service"))).toBe("../homespan-boot.service");
    expect(readdirSync(join(node.root, "etc/systemd/system")).sort()).toEqual(
      [...readdirSync(join(node.lib, "units")), "multi-user.target.wants"].sort(),
    );

    // Run again, user-data changes nothing and starts what is there.
    node.put("fake/log", "");
    expect(await node.sh(join(node.root, "user-data"))).toMatchObject({ exitCode: 0, stderr: "" });
    expect(node.log()).toContain("systemctl restart --no-block homespan-boot.service");
  });

  test("units are told where things are, in the words of Ignition's own copy of them", async ({ expect }) => {
    const places = { library: "usr/local/libexec/homespan", data: "var/lib/homespan/data" };
    using node = new Machine("prepared", places);
    expect(await node.call("boot-files", ["start"])).toMatchObject({ exitCode: 0, stderr: "" });
    const placed = { library: `/${places.library}`, data: `/${places.data}` };
    for (const { source, path } of bootFiles.filter((it) => it.path.startsWith("units/"))) {
      const installed = node.read(path.replace("units/", "etc/systemd/system/"));
      expect(installed).toBe(placedUnit(sourceText(source), placed));
      expect(installed).not.toMatch(/\/usr\/lib\/homespan|[ =-]\/data\//);
    }
    // What is in place is left alone, and what a killed run left goes.
    const system = "etc/systemd/system";
    node.put(`${system}/.homespan.123456/k3s.service`, "half").put("fake/log", "");
    await node.call("boot-files", ["start"]);
    expect(node.log()).toEqual(["systemctl restart --no-block homespan-boot.service", ""]);
    expect(readdirSync(join(node.root, system)).filter((it) => it.startsWith("."))).toEqual([]);
    // What changed is put in place, and systemd told.
    node.put(`${system}/k3s.service`, "# Homespan: of a former version\n").put("fake/log", "");
    await node.call("boot-files", ["start"]);
    expect(node.log()[0]).toBe("systemctl daemon-reload");
    expect(node.read(`${system}/k3s.service`)).toContain("Lightweight Kubernetes");
    // A run that was killed before it told systemd.
    node.put("run/homespan/reload", "").put("fake/log", "");
    await node.call("boot-files", ["start"]);
    expect([node.log()[0], node.has("run/homespan/reload")]).toEqual(["systemctl daemon-reload", false]);
  });

  test("cut off anywhere, user-data does nothing that running it again does not put right", async ({
    expect,
  }) => {
    using node = new Machine("bare");
    // A script of which the end is missing does nothing at all.
    node.put("user-data", userData.slice(0, userData.lastIndexOf("\nmain")));
    await node.sh(join(node.root, "user-data"));
    expect(node.has("etc/homespan/machine.conf")).toBe(false);
    // What a killed run left behind is in no one's way, and nobody could command the machine before the end.
    node.put("etc/homespan/seed/authkey.new", "half", 0o600).put("user-data", userData);
    node.put("fake/dies/nft", "");
    await node.sh(join(node.root, "user-data"));
    expect(node.has("etc/homespan/seed/authkey.new")).toBe(false);
    expect(node.read("etc/homespan/seed/authkey")).toBe("tskey-auth-secret\n");
  });

  test("boot-files refuses units of another installation, and verbs it does not know", async ({ expect }) => {
    using node = await fresh();
    expect((await node.call("boot-files", ["start"])).stderr).toContain("receive comes first");
    expect((await node.call("boot-files", ["stop"])).stderr).toContain('got "stop"');
    node.put("usr/lib/homespan/units/k3s.service", "# Homespan\n");
    node.put("etc/systemd/system/k3s.service", "[Unit]\n");
    const refused = await node.call("boot-files", ["start"]);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain("belongs to another installation");
    expect(node.read("etc/systemd/system/k3s.service")).toBe("[Unit]\n");
  });

  test("again runs the sequence once more, but not when it has yet to begin or began with what there is", async ({
    expect,
  }) => {
    using node = await new Machine().seeded().tailscale();
    const restarts = async (argument = "if-new"): Promise<boolean> => {
      node.put("fake/log", "");
      expect(await node.call("machine/again", [argument])).toMatchObject({ exitCode: 0, stderr: "" });
      return node.log().includes("systemctl restart --no-block homespan-boot.service");
    };
    const deliver = async (path: string, content: string): Promise<void> => {
      const archive = await writeArchive([{ path, content, mode: 0o644 }]);
      expect(await node.call("receive", [], archive)).toMatchObject({ exitCode: 0 });
    };
    /** To its end: the bootstrapper reports once. */
    const boot = async (): Promise<void> => {
      await node.put("fake/units/homespan-bootstrapper.service", "inactive 1\n").boot(400);
    };
    // It does not run.
    expect(await restarts()).toBe(true);
    // It waits for node.conf.
    node
      .put("run/homespan/began", "")
      .put("fake/units/homespan-boot.service", "active 1\n")
      .put("run/homespan/data-ready", "");
    mkdirSync(node.data);
    await deliver("artifacts.conf", "");
    expect(await restarts()).toBe(false);
    node.put("usr/lib/homespan/awaits-start", "");
    expect(await restarts("")).toBe(true);
    expect(node.has("usr/lib/homespan/awaits-start")).toBe(false);
    // Of a former version, which does not say how far it is. Boot files that wait for their start go on to.
    node.put("usr/lib/homespan/awaits-start", "");
    rmSync(join(node.root, "run/homespan/began"));
    expect(await restarts()).toBe(true);
    expect(node.has("usr/lib/homespan/awaits-start")).toBe(true);
    // It was ended while it waited for the join layer, and by nobody who would start it again.
    await node.put("fake/fast", "").boot(125);
    expect(await restarts()).toBe(true);
    // It waits for it.
    node.put("run/homespan/began", (await node.call("machine/seen")).stdout);
    expect(await restarts()).toBe(false);
    await deliver("join.conf", "ROLE=server\nMODE=single\nSERVERS=\nSAN=\n");
    expect(await restarts()).toBe(false);
    // It waits for node.conf, and may begin with it before who delivers that has done.
    await deliver("firewall.nft", "");
    const [asked, conf] = ["run/homespan/asked", "data/steward/node.conf"].map((it) => node.read(it));
    for (const path of ["join.conf", "steward/node.conf"]) rmSync(join(node.data, path));
    await deliver("secrets/authkey", "one");
    await deliver("steward/node.conf", conf ?? "");
    expect(node.read("run/homespan/asked")).toBe(asked);
    await deliver("secrets/authkey", "two");
    expect(node.read("run/homespan/asked")).not.toBe(asked);
    // It came further, and nothing came since.
    node.joinFiles();
    await boot();
    expect(await restarts()).toBe(false);
    await deliver("join.conf", "ROLE=server\nMODE=single\nSERVERS=\nSAN=one\n");
    expect(await restarts()).toBe(true);
    await boot();
    // Delivered, whatever it is; changed by hand; stopped and started.
    await deliver("secrets/authkey", "one");
    expect(await restarts()).toBe(true);
    await boot();
    expect(await restarts()).toBe(false);
    node.put("data/join.conf", node.read("data/join.conf"));
    expect(await restarts()).toBe(true);
    await boot();
    await node.call("k3s-stop");
    await node.call("k3s-start");
    expect(await restarts()).toBe(true);
  });

  test("a delivery under way is waited for, but not before the join layer was there once", async ({
    expect,
  }) => {
    using node = await new Machine().seeded().tailscale();
    mkdirSync(join(node.root, "run/homespan"), { recursive: true });
    const began = (): string => node.read("run/homespan/began");
    const underWay = async (until: () => boolean): Promise<void> => {
      const lock = join(node.root, "run/homespan/delivery.lock");
      const delivery = execa("flock", [lock, "sh", "-c", "echo held; cat"], { stdin: "pipe", reject: false });
      await once(delivery.stdout, "data");
      const booted = node.put("fake/units/homespan-bootstrapper.service", "inactive 1\n").boot(400);
      await vi.waitFor(() => {
        expect(until()).toBe(true);
      }, 10_000);
      delivery.stdin.end();
      await booted;
    };
    await underWay(() => began().includes("node.conf"));
    expect(node.stages()["config"]?.state).not.toBe("done");
    node.joinFiles();
    await underWay(() => node.has("run/homespan/began.new"));
    expect(began()).toContain("node.conf");
    expect(node.stages()["config"]?.state).toBe("done");
  });

  test("stage prints what the boot sequence did, and a node that is not Ready any more", async ({
    expect,
  }) => {
    using node = new Machine();
    expect((await node.call("stage")).stdout).toBe('{"node":"","stages":[]}');
    node.put(
      "run/homespan/stage.json",
      '{"node":"","stages":[{"name":"tailnet","state":"running","attempts":1}]}\n',
    );
    expect((await node.call("stage")).stdout).toBe(node.read("run/homespan/stage.json").trim());

    const done =
      '{"node":"n1","stages":[{"name":"k3s","state":"done","attempts":1},{"name":"ready","state":"done","attempts":1}]}';
    node.put("run/homespan/data-ready", "").put("data/steward/stage.json", `${done}\n`);
    node.put("data/steward/report/ready", "STATE=ready\nDETAIL=\n");
    expect((await node.call("stage")).stdout).toBe(done);
    node.put("data/steward/report/ready", 'STATE=waiting\nDETAIL=the Node is not "Ready"\n');
    expect(JSON.parse((await node.call("stage")).stdout)).toEqual({
      node: "n1",
      stages: [
        { name: "k3s", state: "done", attempts: 1 },
        { name: "ready", state: "running", attempts: 1, error: 'the Node is not "Ready"' },
      ],
    });
  });

  test("stage says why, when k3s ends again and again", async ({ expect }) => {
    using node = new Machine().put("run/homespan/data-ready", "").put("data/secrets/token", "K10secret\n");
    const stages = (ready: string): string =>
      `{"node":"n1","stages":[{"name":"k3s","state":"done","attempts":1},{"name":"ready",${ready}}]}\n`;
    const errorOf = async (): Promise<unknown> => {
      const { stdout } = await node.call("stage");
      return (JSON.parse(stdout) as { stages: { error?: string }[] }).stages[1]?.error;
    };
    node
      .put("fake/restarts", "4\n")
      .put(
        "fake/journal",
        [
          'time="2026-11-28T12:00:00Z" level=error msg="an older one"',
          "k3s.service: Scheduled restart job, restart counter is at 3.",
          'time="2026-11-28T12:00:10Z" level=error msg="no interface has \\"198.18.0.9\\", K10secret"',
          "k3s.service: Scheduled restart job, restart counter is at 4.",
          'time="2026-11-28T12:00:20Z" level=error msg="only the beginning of the next run"',
          "",
        ].join("\n"),
      );
    const why =
      'k3s has ended 4 times since it was last started on purpose, with: no interface has "198.18.0.9", [secret]';
    node.put(
      "data/steward/stage.json",
      stages('"state":"failed","attempts":1,"error":"apiserver not ready"'),
    );
    expect(await errorOf()).toBe(`${why}; apiserver not ready`);
    node.put("data/steward/stage.json", stages('"state":"done","attempts":1'));
    expect(await errorOf()).toBe(`${why}; no report yet`);
    node.put("data/steward/report/ready", "STATE=ready\nDETAIL=\n");
    expect(await errorOf()).toBeUndefined();

    node.put("fake/journal", "").put("data/steward/stage.json", stages('"state":"waiting","attempts":0'));
    expect(await errorOf()).toBeUndefined();
    node.put("data/steward/stage.json", stages('"state":"running","attempts":1,"error":"not yet"'));
    expect(await errorOf()).toBe("k3s has ended 4 times since it was last started on purpose; not yet");
    // Of a run that has lasted for ten minutes by now it is not what ails the node.
    node.put("fake/units/k3s.service", "active 1\n").put("fake/entered", "400000000\n");
    expect(await errorOf()).toBe("not yet");
    node.put("fake/entered", "410000000\n");
    expect(await errorOf()).toContain("ended 4 times");
    node.put("fake/restarts", "1\n");
    expect(await errorOf()).toBe("not yet");
    // A secret whose first line is empty is none to look for.
    node.put("fake/restarts", "4\n").put("data/secrets/empty", "\nmore\n");
    expect(await errorOf()).toContain("ended 4 times");
  });

  test("k3s-stop stops and leaves the mark, k3s-start starts", async ({ expect }) => {
    using node = new Machine()
      .put("data/steward/k3s.stopped", "")
      .put("fake/units/k3s.service", "active 1\n");
    await node.call("k3s-stop");
    expect(node.unit("k3s.service")).toBe("inactive");
    expect(node.has("data/steward/k3s.stopped")).toBe(true);
    await node.call("k3s-start");
    expect(node.unit("k3s.service")).toBe("active");
  });
});
