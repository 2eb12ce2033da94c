/** A machine that was installed with a first configuration of ours: marked, freed of its node, and known by its host keys. */
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fedoraCoreosPlaces } from "../../components/render/fedora-coreos.ts";
import { Machine, type Outcome, project } from "./machine.ts";

const places = { library: fedoraCoreosPlaces.library.slice(1), data: fedoraCoreosPlaces.data.slice(1) };
const at = (name: string): string => join(project, "boot/machine/installed", name);
let machine: Machine;

beforeEach(() => {
  machine = new Machine("prepared", places);
  machine.put("etc/machine-id", "34e37c21e9a2c7bc34e37c21e9a2c7bc\n");
});
afterEach(() => {
  machine[Symbol.dispose]();
});

const arrive = (node = "metal-1", id = "f00d"): Promise<Outcome> =>
  machine.sh(at("arrive"), [fedoraCoreosPlaces.library, "prod", node, id]);

describe("arrive", () => {
  test("marks data that is nobody's, and tells whose they are from then on", async () => {
    const { exitCode, stdout } = await arrive();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^LIBRARY=present\nMACHINE_ID=[0-9a-f]{16}\nCLUSTER=prod\nNODE=metal-1\nID=f00d$/);
    expect((await arrive("metal-2", "beef")).stdout).toBe(stdout);
  });

  test("another installation bears the same data under another id of the machine", async () => {
    const before = (await arrive()).stdout;
    machine.put("etc/machine-id", "00000000000000000000000000000000\n");
    const after = (await arrive()).stdout;
    expect(after).toContain("ID=f00d");
    expect(after).not.toBe(before);
  });

  test("changes nothing on a machine that was not installed so", async () => {
    using bare = new Machine("bare", places);
    const { stdout } = await bare.sh(at("arrive"), ["/opt/none", "prod", "metal-1", "f00d"]);
    expect(stdout).toBe("LIBRARY=absent");
    expect(bare.has(places.data)).toBe(false);
  });
});

describe("leave", () => {
  test("takes the node's data and units, and leaves what makes a node of the machine again", async () => {
    await arrive();
    machine.put(`${places.data}/rancher/k3s/agent/client.key`, "secret");
    machine.put(`${places.data}/secrets/agent-token`, "secret");
    machine.put(`${places.data}/photos/one.jpg`, "");
    machine.put(`${places.library}/seed/authkey`, "secret", 0o600);
    machine.put("etc/systemd/system/k3s.service", "# Homespan\n");
    machine.put("etc/systemd/system/homespan-firewall.service", "# Homespan\n");
    machine.put("etc/systemd/system/other.service", "");
    const { exitCode } = await machine.sh(at("leave"), [fedoraCoreosPlaces.library]);
    expect(exitCode).toBe(0);
    expect(readdirSync(machine.data)).toEqual(["photos"]);
    expect(readdirSync(join(machine.root, "etc/systemd/system")).sort()).toEqual([
      "homespan-firewall.service",
      "other.service",
    ]);
    expect(machine.has(`${places.library}/boot-files`)).toBe(true);
    expect(machine.has(`${places.library}/seed`)).toBe(false);
    const log = machine.log();
    expect(log).toContain("systemctl disable --quiet homespan-boot.service");
    // The sequence first: it would start the others again.
    const stopped = log.filter((line) => line.startsWith("systemctl stop "));
    expect(stopped.map((line) => line.split(" ").at(-1))).toEqual([
      ...["homespan-boot.path", "homespan-again.service", "homespan-boot.service", "homespan-fetch.service"],
      ...["homespan-bootstrapper.service", "k3s.service", "tailscaled.service"],
    ]);
    expect(log.filter((line) => line !== "").at(-1)).toBe("systemctl --no-block reboot");
    expect((await arrive("metal-1", "beef")).stdout).toContain("ID=beef");
  });

  test("does nothing where no node is", async () => {
    const { stdout } = await machine.sh(at("leave"), [fedoraCoreosPlaces.library]);
    expect(stdout).toBe("no node is on this machine");
    expect(machine.log().join("")).toBe("");
  });
});

describe("host keys", () => {
  const names = ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "ssh_host_rsa_key"];
  const kept = "var/lib/homespan/ssh";
  const generated = (which: string): void => {
    for (const name of names) machine.put(`etc/ssh/${name}`, `${name} ${which}\n`, 0o600);
  };
  const used = (): string[] => names.map((name) => machine.read(`etc/ssh/${name}`));
  const run = (): Promise<Outcome> => machine.sh(at("host-keys"));

  test("of the first installation are those of every later one", async () => {
    generated("first");
    const before = used();
    expect((await run()).exitCode).toBe(0);
    expect(used()).toEqual(before);
    generated("second");
    machine.put("etc/ssh/sshd_config", "own\n");
    expect((await run()).exitCode).toBe(0);
    expect(used()).toEqual(before);
    expect(machine.read("etc/ssh/sshd_config")).toBe("own\n");
    expect(readdirSync(join(machine.root, "etc/ssh")).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("are kept for root alone, and with the modes they had", async () => {
    generated("first");
    await run();
    const { statSync } = await import("node:fs");
    expect(statSync(join(machine.root, kept)).mode & 0o777).toBe(0o700);
    for (const name of names) expect(statSync(join(machine.root, kept, name)).mode & 0o777).toBe(0o600);
  });

  test("of an installation that was cut off while it kept them are kept anew", async () => {
    generated("second");
    machine.put(`${kept}/ssh_host_ed25519_key`, "half of the first");
    await run();
    expect(readFileSync(join(machine.root, kept, names[0] ?? ""), "utf8")).toBe(`${names[0] ?? ""} second\n`);
    expect(used()[0]).toContain("second");
  });

  test("that were never made keep nothing", async () => {
    mkdirSync(join(machine.root, "etc/ssh"), { recursive: true });
    await run();
    expect(machine.has(`${kept}/complete`)).toBe(false);
  });
});
