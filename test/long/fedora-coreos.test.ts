/**
 * An installation of Fedora CoreOS over another one, on a disk: the real Ignition on a partition table as the image has it,
 * twice, without the system itself. The node's data stays, k3s is the new one. Run: ./homespan test --long fedora-coreos
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fedoraCoreosIgnition } from "../../components/render/fedora-coreos.ts";
import { flatcarIgnition } from "../../components/render/flatcar.ts";
import { type IgnitionConfig, renderIgnition } from "../../components/render/ignition.ts";
import { fedoraCoreos, flatcar } from "../render/samples-ignition.ts";
import { GuestLab } from "../vm/guest-lab.ts";

/** Where it is in the guest: in /run nothing is executed. */
const installer = "/usr/local/sbin/coreos-install";
const install = readFileSync(new URL("../vm/coreos-install", import.meta.url), "utf8");
/** Stand for two releases of k3s. */
const releases = ["the first k3s\n", "the second k3s\n"] as const;
const k3s = "/sysroot/usr/local/bin/k3s";

let lab: GuestLab;
let server: Server;

beforeAll(async () => {
  const network = { name: "homespan-coreos", bridge: "hsvmcore0", subnet: "198.18.76", nat: false };
  lab = await GuestLab.start(network);
  server = createServer((request, response) => {
    response.end(releases[Number((request.url ?? "").slice(1))]);
  });
  await new Promise<void>((resolve) => server.listen(0, lab.gateway, resolve));
  const keys = { sshAuthorizedKeys: [lab.publicKey] };
  lab.stack.declare({
    ...{ ...lab.host, image: lab.image },
    machines: [
      {
        ...{ resourceName: "installed", machineName: "home-coreos", vcpus: 1, memoryMiB: 1024 },
        ...{ memoryHardLimit: false, systemDiskGiB: 4, dataDisk: { sizeGiB: 12 }, address: lab.address },
        network: { kind: "network", name: network.name },
        ignition: renderIgnition(flatcarIgnition({ ...flatcar, dataDisk: "none", ...keys })),
      },
    ],
  });
  await lab.up();
  await lab.script(`cat >${installer} <<'EOT'\n${install}EOT\nchmod 755 ${installer}`);
}, 30 * 60_000);
afterAll(async () => {
  server.close();
  await lab.stop();
});

function configuration(release: 0 | 1): IgnitionConfig {
  const { port } = server.address() as AddressInfo;
  const url = `http://${lab.gateway}:${String(port)}/${String(release)}`;
  const sha256 = createHash("sha256").update(releases[release]).digest("hex");
  const { users: _, ...rest } = fedoraCoreosIgnition({ ...fedoraCoreos, k3s: { url, sha256 } });
  // A user is made with the system's own programs, and there is no system.
  return rest;
}

async function installWith(config: IgnitionConfig): Promise<void> {
  await lab.script(`${installer} image`, 120);
  await lab.script(`cat >/run/coreos.ign <<'EOT'\n${renderIgnition(config)}\nEOT`);
  await lab.script(`${installer} ignite /run/coreos.ign`, 300);
}

/** Partition and file system of /var by their ids, and the size of the system's own. */
async function disk(): Promise<{ readonly data: string; readonly rootBytes: number }> {
  const data = await lab.script("blkid -p -o value -s UUID -s PART_ENTRY_UUID /dev/disk/by-partlabel/var");
  const rootBytes = Number(await lab.inside("blockdev", "--getsize64", "/dev/disk/by-partlabel/root"));
  return { data, rootBytes };
}

test("a first installation makes /var a partition of its own, behind 8 GiB for the system", async () => {
  await installWith(configuration(0));
  expect(await lab.inside("cat", k3s)).toBe("the first k3s");
  expect(await lab.inside("stat", "-c", "%a", k3s)).toBe("755");
  expect(await lab.inside("findmnt", "-n", "-o", "FSTYPE", "/sysroot/var")).toBe("xfs");
  expect((await disk()).rootBytes).toBe(8 * 2 ** 30);
  expect(await lab.inside("cat", "/sysroot/etc/hostname")).toBe(flatcar.hostName);
  await lab.script(
    "mkdir -p /sysroot/var/lib/homespan/data && echo kept >/sysroot/var/lib/homespan/data/file",
  );
}, 600_000);

test("another installation keeps what is in /var, and k3s is the new one", async () => {
  const before = await disk();
  await lab.script(`touch /sysroot/etc/of-the-first && ${installer} done`);
  await installWith(configuration(1));
  expect(await disk()).toEqual(before);
  expect(await lab.inside("cat", "/sysroot/var/lib/homespan/data/file")).toBe("kept");
  expect(await lab.inside("cat", k3s)).toBe("the second k3s");
  // The system is another one.
  expect(await lab.script("ls /sysroot/etc/of-the-first 2>/dev/null || echo gone")).toBe("gone");
}, 600_000);

test("without the word to overwrite Ignition would stop at the k3s that is there", async () => {
  await lab.script(`${installer} done`);
  const { files = [], ...rest } = configuration(0);
  const careless = files.map((file) => (file.path.endsWith("/k3s") ? { ...file, overwrite: false } : file));
  await expect(installWith({ ...rest, files: careless })).rejects.toThrow(/k3s/);
  expect(await lab.inside("cat", k3s)).toBe("the second k3s");
}, 600_000);
