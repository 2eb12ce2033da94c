/**
 * A virtual machine that starts: the real Ignition applies the rendered configuration of a Flatcar node, in a small Debian.
 * Run: ./homespan test --long vm-boot
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { flatcarIgnition } from "../../components/render/flatcar.ts";
import { renderIgnition } from "../../components/render/ignition.ts";
import { note } from "../e2e/support/report.ts";
import { flatcar } from "../render/samples-ignition.ts";
import { GuestLab } from "../vm/guest-lab.ts";

const machineName = "home-agent-1";
const disk = "/dev/disk/by-id/virtio-homespan-data";

let lab: GuestLab;

beforeAll(async () => {
  const network = { name: "homespan-boot", bridge: "hsvmboot0", subnet: "198.18.78", nat: false };
  lab = await GuestLab.start(network);
}, 30 * 60_000);
afterAll(async () => {
  await lab.stop();
});

function declare(change: { readonly extraKey?: string } = {}): void {
  const keys = [lab.publicKey, ...(change.extraKey === undefined ? [] : [change.extraKey])];
  const ignition = renderIgnition(
    flatcarIgnition({ ...flatcar, dataDisk: "wanted", sshAuthorizedKeys: keys }),
  );
  lab.stack.declare({
    ...{ ...lab.host, image: lab.image },
    machines: [
      {
        ...{ resourceName: "agent-1", machineName, vcpus: 2, memoryMiB: 1024, memoryHardLimit: false },
        ...{ systemDiskGiB: 4, dataDisk: { sizeGiB: 2 }, address: lab.address, ignition },
        network: { kind: "network", name: lab.network.name },
      },
    ],
  });
}

test(
  "starts, and is what its first configuration says",
  async () => {
    declare();
    const started = Date.now();
    await lab.up();
    note("up of a machine", (Date.now() - started) / 1000);
    await lab.inside("true");
    note("it takes commands, after up began", (Date.now() - started) / 1000);
    expect(await lab.inside("cat", "/etc/hostname")).toBe(flatcar.hostName);
    expect(await lab.inside("hostname")).toBe(flatcar.hostName);
    expect(await lab.inside("cat", "/etc/.ignition-result.json")).toMatch(/"userConfigProvided": true/);
    expect(await lab.inside("systemctl", "is-active", "homespan-firewall.service")).toBe("active");
    expect(await lab.inside("nft", "list", "table", "inet", "homespan")).toMatch(/tcp dport 22 accept/);
    expect(await lab.inside("stat", "-c", "%a", "/opt/homespan/boot-files")).toBe("755");
    expect(await lab.inside("sshd", "-T")).toMatch(/^passwordauthentication no$/m);
    expect(await lab.script("systemctl is-enabled update-engine.service || true")).toBe("masked");
    expect(await lab.script("systemctl is-system-running --wait || systemctl --failed --no-legend")).toBe(
      "running",
    );
  },
  20 * 60_000,
);

test("has virtio's devices alone, and no USB", async () => {
  const devices = (await lab.inside("ls", "/sys/bus/virtio/devices")).split("\n");
  expect(devices.length).toBeGreaterThan(3);
  expect(await lab.script("ls /sys/bus/usb/devices 2>/dev/null || true")).toBe("");
  expect(await lab.script("ls /dev/input 2>/dev/null | grep -c mouse || true")).toBe("0");
});

test("the data disk is formatted once, and found by its serial number", async () => {
  expect(await lab.inside("blkid", "-o", "value", "-s", "LABEL", disk)).toBe("homespan-data");
  await lab.script(`mkdir -p /data && mount ${disk} /data && echo kept >/data/file && umount /data`);
});

test(
  "made anew with another configuration it is another machine with the same data",
  async () => {
    const host = await lab.ssh.hostKey(lab.transport);
    declare({
      extraKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE another",
    });
    const started = Date.now();
    await lab.up();
    await lab.inside("true");
    note("made anew, it takes commands again, after up began", (Date.now() - started) / 1000);
    expect(await lab.ssh.hostKey(lab.transport)).not.toBe(host);
    expect(await lab.inside("cat", "/home/core/.ssh/authorized_keys")).toMatch(/another$/m);
    expect(await lab.inside("cat", "/etc/hostname")).toBe(flatcar.hostName);
    expect(await lab.script(`mkdir -p /data && mount -o ro ${disk} /data && cat /data/file`)).toBe("kept");
  },
  20 * 60_000,
);

test(
  "a second run changes nothing once it has its address, and nothing is left after the last",
  async () => {
    const { ok, text, changes } = await lab.stack.up();
    expect(ok, text).toBe(true);
    expect(Object.keys(changes), text).toEqual(["unchanged"]);
    expect((await lab.stack.run("state", "unprotect", "--all", "--yes", "--stack=test")).ok).toBe(true);
    const gone = await lab.stack.destroy();
    expect(gone.ok, gone.text).toBe(true);
    expect(await lab.libvirtd.domains()).toEqual([]);
    expect(await lab.libvirtd.volumes()).toEqual([]);
  },
  10 * 60_000,
);
