/** PodmanService, SiteNetwork and StewardVolume on this machine's Podman and nftables. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemEffects } from "../../provider/effects/effects.ts";
import { ProviderClient, plain } from "../provider/client.ts";

const provider = new ProviderClient();
const clusterName = `real-${String(process.pid)}`;
const prefix = `homespan-${clusterName}`;
const podman = (...args: string[]): string => execFileSync("podman", args, { encoding: "utf8" }).trim();

beforeAll(() => provider.serve(systemEffects()));
afterAll(() => {
  provider.stop();
});

/** Snapshots are shared for a second; the next question has to be a new one. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100));

describe("PodmanService", () => {
  const temporary = mkdtempSync(join(tmpdir(), "homespan-service-"));
  const socketDirectory = join(temporary, "socket");
  afterAll(() => {
    rmSync(temporary, { recursive: true });
  });
  const inputs = { clusterName, socketDirectory };

  it("outlives its provider, is found gone after kill -9, and leaves nothing behind", async () => {
    const { state } = await provider.create("PodmanService", inputs);
    const pid = Number(state["pid"]);
    const parent = execFileSync("cut", ["-d", " ", "-f", "4", `/proc/${String(pid)}/stat`], {
      encoding: "utf8",
    });
    expect(Number(parent)).not.toBe(process.pid);
    expect(
      podman(
        "--remote",
        "--url",
        `unix://${String(state["socketPath"])}`,
        "info",
        "--format",
        "{{.Version.Version}}",
      ),
    ).toMatch(/^\d/);
    expect(await provider.read("PodmanService", state)).toEqual(state);

    process.kill(pid, "SIGKILL");
    await settle();
    expect(await provider.read("PodmanService", state)).toBeUndefined();
    const again = await provider.create("PodmanService", inputs);
    expect(again.state["pid"]).not.toBe(pid);

    await provider.delete("PodmanService", again.state);
    expect(existsSync(socketDirectory)).toBe(false);
    // An entry without a command line is a process that has ended and waits for init.
    const line = `/proc/${String(again.state["pid"])}/cmdline`;
    expect(existsSync(line) ? readFileSync(line, "utf8") : "").toBe("");
    await provider.delete("PodmanService", again.state);
  });
});

describe("SiteNetwork", () => {
  it("is made with its rule, heals it, is found gone, and is deleted when gone", async () => {
    const inputs = { clusterName, site: "home", denyFromSubnets: ["10.254.7.0/24", "10.254.8.0/24"] };
    const table = `homespan_real_${String(process.pid)}_home`;
    const { state } = await provider.create("SiteNetwork", inputs);
    expect(String(state["subnet"])).toMatch(/^10\.\d+\.\d+\.0\/24$/);
    await settle();
    const found = (await provider.read("SiteNetwork", state)) ?? {};
    expect(found).toEqual(state);
    expect(await provider.diff("SiteNetwork", found, inputs)).toEqual({});

    execFileSync("nft", ["delete", "table", "inet", table]);
    const drifted = (await provider.read("SiteNetwork", state)) ?? {};
    expect(await provider.diff("SiteNetwork", drifted, inputs)).toEqual({ ruleInPlace: "update" });
    const one = { ...inputs, denyFromSubnets: ["10.254.7.0/24"] };
    const healed = await provider.update("SiteNetwork", drifted, one);
    expect(await provider.read("SiteNetwork", healed)).toMatchObject({ ruleInPlace: true });

    podman("network", "rm", `${prefix}-home`);
    await settle();
    expect(await provider.read("SiteNetwork", healed)).toBeUndefined();
    await provider.delete("SiteNetwork", healed);
    expect(() => execFileSync("nft", ["list", "table", "inet", table], { stdio: "pipe" })).toThrow();
  });

  it("refuses a foreign network and leaves it", async () => {
    podman("network", "create", `${prefix}-far`);
    await settle();
    try {
      await expect(provider.create("SiteNetwork", { clusterName, site: "far" })).rejects.toThrow(
        "must be free",
      );
    } finally {
      podman("network", "rm", `${prefix}-far`);
    }
  });
});

describe("StewardVolume", () => {
  it("keeps its identity over an interrupted create, changes it with the volume, and is deleted when gone", async () => {
    const inputs = { clusterName, nodeName: "agent-1" };
    const { state } = await provider.create("StewardVolume", inputs);
    expect(plain((await provider.create("StewardVolume", inputs)).state)).toEqual(plain(state));
    expect(await provider.read("StewardVolume", state)).toEqual(state);
    podman("volume", "rm", `${prefix}-agent-1-data`);
    await settle();
    expect(await provider.read("StewardVolume", state)).toBeUndefined();
    const next = await provider.create("StewardVolume", inputs);
    expect(next.state["volumeId"]).not.toBe(state["volumeId"]);
    // A container that uses it, with our label: left by an interrupted run.
    podman(
      "create",
      "--name",
      `${prefix}-left`,
      "--label",
      `homespan.cluster=${clusterName}`,
      "--volume",
      `${prefix}-agent-1-data:/data`,
      "docker.io/library/busybox:1.36",
      "true",
    );
    await settle();
    await provider.delete("StewardVolume", next.state);
    expect(podman("ps", "--all", "--quiet", "--filter", `name=${prefix}`)).toBe("");
    await provider.delete("StewardVolume", next.state);
  });
});
