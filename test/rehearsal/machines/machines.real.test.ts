/** A rehearsed machine as a customer of the cloud meets it: over SSH, through the cloud's firewall, on its disks. */
import { execa, type Options } from "execa";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, utils } from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderUserData } from "../../../components/render/user-data.ts";
import { machineImage } from "../../../rehearsal/machines/machine-arguments.ts";
import type { MachineAddresses, PortRule } from "../../../rehearsal/machines/machines.ts";
import { PodmanMachines } from "../../../rehearsal/machines/podman-machines.ts";
import { makeWorld, removeWorld, type World } from "../../../rehearsal/world.ts";
import { userDataTexts } from "../../boot/machine.ts";

const name = `real-${String(process.pid)}`;
const folder = mkdtempSync(join(tmpdir(), "homespan-machines-"));
const machines = new PodmanMachines(folder);
const keys = utils.generateKeyPairSync("rsa", { bits: 3072, comment: "homespan-real" });
const container = (machine: string): string => `homespan-${name}-machine-${machine}`;
const everywhere = { cidrs: ["0.0.0.0/0"], ipv6Cidrs: [] };
const tcp = (port: number): PortRule => ({ fromPort: port, toPort: port, protocol: "tcp", ...everywhere });

let world: World;
let server: MachineAddresses;

const podman = async (args: readonly string[], options: Options = {}): Promise<string> =>
  String((await execa("podman", args, options)).stdout);

async function create(machine: string): Promise<MachineAddresses> {
  return machines.create(
    {
      ...{ name: machine, zone: "eu-central-1a", blueprintId: "debian_12", bundleId: "medium_3_0", tags: {} },
      userData: renderUserData({
        sources: userDataTexts(),
        dataDisk: "wanted",
        firewall: { outside: "closed", sshPorts: [22], ingress: true },
        artifacts: [],
      }),
      publicKey: keys.public,
    },
    AbortSignal.timeout(120_000),
  );
}

/** Runs a command on the machine as its user; undefined while nobody lets us in. */
function ssh(host: string, command: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.on("error", () => {
      resolve(undefined);
    });
    client.on("ready", () => {
      client.exec(command, (error, stream) => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        let text = "";
        stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
        stream.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
        stream.on("close", () => {
          client.end();
          resolve(text);
        });
      });
    });
    client.connect({ host, username: "admin", privateKey: keys.private, readyTimeout: 3000 });
  });
}

async function until<T>(seconds: number, attempt: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (Date.now() > end) throw new Error(`nothing happened within ${String(seconds)} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** True when a connection from this machine itself is accepted within a second. */
function reached(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 });
    const end = (result: boolean) => () => {
      socket.destroy();
      resolve(result);
    };
    socket.on("connect", end(true)).on("timeout", end(false)).on("error", end(false));
  });
}

/** A connection by Python, which says who it seems to come from; "" when it is not accepted within a second. */
const ask = (host: string, port: number): string[] => [
  "python3",
  "-c",
  `import socket
try: print(socket.create_connection(("${host}", ${String(port)}), 1).recv(99).decode())
except OSError: print("")`,
];
const reachedFromHome = (host: string, port: number): Promise<string> =>
  podman(["exec", `homespan-${name}-home`, ...ask(host, port)]);
const reachedFrom = (machine: string, host: string, port: number): Promise<string> =>
  podman(["exec", container(machine), ...ask(host, port)]);

/** Tells everyone who connects where from. */
const listener = (ports: readonly number[]): string => `import socket, threading
def serve(port):
  listening = socket.create_server(("", port))
  while True:
    connection, peer = listening.accept()
    connection.sendall(peer[0].encode())
    connection.close()
for port in ${JSON.stringify(ports)}: threading.Thread(target=serve, args=(port,)).start()`;

beforeAll(async () => {
  world = await makeWorld(folder, { world: name, region: "eu-central-1" });
  const label = `--label=homespan.cluster=${name}`;
  await podman(["network", "create", label, `homespan-${name}-home`]);
  const home = [label, `--name=homespan-${name}-home`, `--network=homespan-${name}-home`];
  await podman(["run", "--detach", "--init", ...home, machineImage, "sleep", "infinity"]);
});
afterAll(async () => {
  await removeWorld(folder, name);
  for (const kind of [
    ["ps", "--all"],
    ["volume", "ls"],
    ["network", "ls"],
  ]) {
    const filter = ["--filter", `label=homespan.cluster=${name}`, "--format", "{{.ID}}{{.Name}}"];
    const format = kind[0] === "ps" ? "{{.Names}}" : "{{.Name}}";
    expect(await podman([...kind, ...filter.slice(0, 3), format])).toBe("");
  }
  const table = `homespan_${name.replaceAll("-", "_")}_cloud`;
  expect((await execa("nft", ["list", "table", "inet", table], { reject: false })).failed).toBe(true);
  rmSync(folder, { recursive: true });
});

describe("a machine", () => {
  it("boots, runs its user-data by cloud-init, and lets its user in by the key", async () => {
    const begun = Date.now();
    server = await create("server-1");
    expect(await reached(server.publicAddress, 22)).toBe(false);
    await machines.openPorts("server-1", [tcp(22)]);
    await until(90, () => ssh(server.publicAddress, "true"));
    const answered = Date.now() - begun;
    const command = "sudo -n /usr/lib/homespan/boot-files checksums boot/wait.sh";
    const sums = await until(90, async () => {
      const text = await ssh(server.publicAddress, command);
      return text?.startsWith("-  boot/wait.sh") === true ? text : undefined;
    });
    const commanded = Date.now() - begun;
    expect(sums).toBe("-  boot/wait.sh\n");
    expect(await ssh(server.publicAddress, "cloud-init status --wait")).toMatch(/status: done\n$/);
    const state = await ssh(
      server.publicAddress,
      "sudo -n timeout 60 systemctl is-system-running --wait; systemctl --failed --no-legend",
    );
    expect(state).toBe("running\n");
    console.log(
      `SSH answers after ${(answered / 1000).toFixed(1)} s, takes commands after ${(commanded / 1000).toFixed(1)} s`,
    );
  });

  it("has an identity of its own, its host's name, and a systemd that another's leaves alone", async () => {
    const other = await create("server-2");
    await machines.openPorts("server-2", [tcp(22)]);
    await until(90, () => ssh(other.publicAddress, "sudo -n /usr/lib/homespan/boot-files checksums x"));
    const command = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub";
    for (const machine of ["server-1", "server-2"]) {
      expect(await podman(["exec", container(machine), "systemctl", "is-system-running", "--wait"])).toBe(
        "running",
      );
    }
    const [one, two] = [await ssh(server.publicAddress, command), await ssh(other.publicAddress, command)];
    expect(one?.split(/\s/)[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(one?.split(/\s/)[0]).not.toBe(two?.split(/\s/)[0]);
    expect(one?.split(/\s/)[2]).not.toBe(two?.split(/\s/)[2]);
    expect(await ssh(server.publicAddress, "hostname")).toBe(
      `ip-${server.privateAddress.replaceAll(".", "-")}\n`,
    );
  });
});

describe("the cloud's firewall", () => {
  beforeAll(async () => {
    for (const machine of ["server-1", "server-2"]) {
      await podman(["exec", "--detach", container(machine), "python3", "-c", listener([80, 443])]);
    }
    await until(10, async () =>
      (await reachedFrom("server-2", server.privateAddress, 443)) === "" ? undefined : true,
    );
  });

  it("lets in from outside exactly what is opened, from this machine and from other networks", async () => {
    await machines.openPorts("server-1", [tcp(22), tcp(80)]);
    const { publicAddress, privateAddress } = server;
    expect(await reached(publicAddress, 80)).toBe(true);
    expect(await reached(publicAddress, 443)).toBe(false);
    expect(await reachedFromHome(publicAddress, 80)).toBe(world.network.gateway);
    expect(await reachedFromHome(publicAddress, 443)).toBe("");
    // Nothing leads to a private address from outside.
    expect(await reached(privateAddress, 80)).toBe(false);
    expect(await reachedFromHome(privateAddress, 80)).toBe("");
  });

  it("does not stand between private addresses, and knows a machine by its public one elsewhere", async () => {
    const other = (await machines.find("server-2"))!;
    expect(await reachedFrom("server-2", server.privateAddress, 443)).toBe(other.privateAddress);
    expect(await reachedFrom("server-2", server.publicAddress, 80)).toBe(other.publicAddress);
    expect(await reachedFrom("server-2", server.publicAddress, 443)).toBe("");
    const home = `homespan-${name}-home`;
    await podman(["exec", "--detach", home, "python3", "-c", listener([8080])]);
    const address = await podman([
      ...["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", home],
    ]);
    await until(10, async () => {
      const seen = await reachedFrom("server-1", address, 8080);
      if (seen === "") return undefined;
      expect(seen).toBe(server.publicAddress);
      return true;
    });
  });

  it("names sources", async () => {
    await machines.openPorts("server-1", [tcp(22), { ...tcp(80), cidrs: ["203.0.113.0/24"] }]);
    expect(await reachedFromHome(server.publicAddress, 80)).toBe("");
    await machines.openPorts("server-1", [tcp(22), { ...tcp(80), cidrs: [`${world.network.gateway}/32`] }]);
    expect(await reachedFromHome(server.publicAddress, 80)).not.toBe("");
    expect(await reached(server.publicAddress, 80)).toBe(false);
  });

  it("cuts what is open when a port is closed", async () => {
    const socket = connect({ host: server.publicAddress, port: 22 });
    const lines: string[] = [];
    socket.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
    await until(5, () => Promise.resolve(lines[0]));
    await machines.openPorts("server-1", []);
    socket.write("SSH-2.0-test\r\n");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    socket.destroy();
    // The server answers a client's greeting with its proposals, which never came.
    expect(lines).toHaveLength(1);
    await machines.openPorts("server-1", [tcp(22)]);
  });
});

it("a static address takes the place of the passing one, and gives it back", async () => {
  const fixed = world.publicRange.replace(/0\/24$/, "200");
  await machines.setAddress("server-1", fixed);
  expect(await ssh(fixed, "hostname")).toContain("ip-");
  expect(await reached(server.publicAddress, 22)).toBe(false);
  await machines.setAddress("server-2", await machines.setAddress("server-2", undefined));
  const passing = await machines.setAddress("server-1", undefined);
  expect(await ssh(passing, "hostname")).toContain("ip-");
  expect(await reached(fixed, 22)).toBe(false);
});

it("a disk is at /data while it is attached, over a restart of the machine too, and outlives it", async () => {
  const mounted = (): Promise<string | undefined> =>
    machines
      .find("server-1")
      .then((found) => ssh(found?.publicAddress ?? "", "mountpoint -q /data && cat /data/kept || echo none"));
  await machines.createDisk({ name: "data", zone: "eu-central-1a", sizeGiB: 8 });
  expect(await mounted()).toBe("none\n");
  await machines.attachDisk("server-1", "data", "/dev/xvdf");
  await podman(["exec", container("server-1"), "sh", "-c", "echo kept >/data/kept"]);
  expect(await mounted()).toBe("kept\n");
  await podman(["exec", container("server-1"), "systemctl", "reboot"], { reject: false });
  expect(await until(60, async () => (await mounted())?.replace("none\n", "") || undefined)).toBe("kept\n");
  await machines.detachDisk("server-1", "data");
  expect(await mounted()).toBe("none\n");
  await machines.attachDisk("server-2", "data", "/dev/xvdf");
  await machines.remove("server-2");
  await machines.attachDisk("server-1", "data", "/dev/xvdf");
  expect(await mounted()).toBe("kept\n");
});

it("what is gone can be removed, and comes back as another", async () => {
  await podman(["rm", "--force", "--time", "0", container("server-1")]);
  // What Podman lists is shared for a second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(await machines.find("server-1")).toBeUndefined();
  const again = await create("server-1");
  expect(again.privateAddress).not.toBe(server.privateAddress);
  expect(await machines.find("server-1")).toMatchObject({ running: true });
  await machines.remove("server-1");
  expect(await machines.find("server-1")).toBeUndefined();
});
