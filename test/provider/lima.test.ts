/** LimaMac, LimaDisk and LimaVm, one by one: what is refused, what is found, what is healed, and what survives. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SshFailure, otherMachine } from "../../provider/effects/ssh-failure.ts";
import { fingerprint } from "../../provider/logic/ssh-host-key.ts";
import type { Properties } from "../../provider/server/values.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { type CallError, Harness, isSecret, plain } from "./harness.ts";
import { diskInputs, local, macInputs, plans, provision, publicKey, vmInputs } from "./samples-lima.ts";
import { SshMachine, hostKeyPair, newPrivateKey, privateKey } from "./ssh-machine.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

/** A disk and a machine on it that runs. */
async function made(index = 0): Promise<{ disk: Properties; state: Properties }> {
  const { state: disk } = await h.create("LimaDisk", diskInputs(index));
  const { state } = await h.create("LimaVm", vmInputs(index, String(disk["identity"])));
  h.lima.commands.length = 0;
  return { disk, state };
}

describe("LimaMac", () => {
  it("is looked at, and tells the driver its macOS calls for", async () => {
    const { state } = await h.create("LimaMac", macInputs);
    expect(state).toMatchObject({ vmType: "vz", reachable: true });
    expect(plain(state)["connection"]).toEqual(local);
    expect(await h.diff("LimaMac", state, macInputs)).toEqual({});
    // Nothing was changed there.
    expect(h.lima.commands).toEqual(["list --json"]);
  });

  it("takes qemu below macOS 13.5 and on Linux, and stays with it when macOS becomes newer", async () => {
    Object.assign(h.lima.facts, { OS_VERSION: "13.4.1", QEMU: "/opt/homebrew/bin/qemu-system-aarch64" });
    const { state } = await h.create("LimaMac", macInputs);
    expect(state["vmType"]).toBe("qemu");
    h.lima.facts["OS_VERSION"] = "15.6";
    const more = { ...macInputs, waitSeconds: 90, machines: macInputs.machines.slice(1) };
    expect((await h.update("LimaMac", state, more))["vmType"]).toBe("qemu");
    expect((await h.update("LimaMac", state, { ...more, driver: "vz" }))["vmType"]).toBe("vz");
  });

  it("says all at once what is wrong, before anything is made", async () => {
    Object.assign(h.lima.facts, {
      ...{ USER_ID: "0", LIMA: "2.1.4", OS_VERSION: "13.3", SUDO_BOOT: "no", CPUS: "3" },
      ...{ MEMORY_BYTES: String(32 * 1024 ** 3) },
      VMNET: 'file "/opt/homebrew/bin/socket_vmnet" is not owned by "root" (uid: 0), but by uid 501',
    });
    const wrong = { ...macInputs, driver: "vz", network: { kind: "vmnet", name: "shared" } };
    const { message } = await h.create("LimaMac", wrong).then(
      () => new Error("made"),
      (error: unknown) => error as Error,
    );
    expect(message.split("\n")).toEqual([
      "virtual machines cannot run on this machine yet; nothing was made there:",
      expect.stringMatching(/^ {2}- user: Lima does not run as root/),
      expect.stringMatching(
        /^ {2}- lima: limactl must be 2\.2\.0 or newer, got 2\.1\.4 \(fix: brew upgrade lima\)/,
      ),
      expect.stringMatching(
        /^ {2}- driver: vz starts no recent Linux on macOS 13\.3: it must be 13\.5 or newer/,
      ),
      expect.stringMatching(/^ {2}- network: socket_vmnet cannot be used: file ".*" is not owned by "root"/),
      expect.stringMatching(/^ {2}- start: limactl autostart must run launchctl, install and rm as root/),
      expect.stringMatching(
        /^ {2}- memory: 4 virtual machines with 40960 MiB: the sum must be at most the 32768 MiB of this machine, got 40960/,
      ),
      expect.stringMatching(
        /^ {2}- cpus: home-agent-4 must have at most the 3 processors of this machine, got 4/,
      ),
    ]);
    expect(h.lima.keys).toEqual([]);
  });

  it("counts the memory of what others run there, and sees whose port is taken", async () => {
    h.lima.instances.set("default", {
      config: {
        vmType: "vz",
        images: [],
        cpus: 4,
        memory: "32GiB",
        disk: "100GiB",
        ssh: { localPort: 60_102 },
      },
      status: "Running",
      starts: 1,
    });
    await expect(h.create("LimaMac", macInputs)).rejects.toThrow(
      /memory: .* and 32768 MiB of default: the sum must be at most the 65536 MiB .* got 73728[^]*port: the SSH port of home-agent-2 must be free, got 60102, which is that of default/,
    );
    h.lima.instances.get("default")!.status = "Stopped";
    await expect(h.create("LimaMac", macInputs)).rejects.toThrow(/^(?![^]*memory)[^]*port/);
  });

  it("without Lima says just that, and without QEMU how to get it", async () => {
    Object.assign(h.lima.facts, { LIMA: "" });
    await expect(h.create("LimaMac", macInputs)).rejects.toThrow(
      /limactl is not there \(fix: brew install lima\)/,
    );
    Object.assign(h.lima.facts, { LIMA: "2.2.0" });
    await expect(h.create("LimaMac", { ...macInputs, driver: "qemu" })).rejects.toThrow(/QEMU is not there/);
  });

  it("on Linux starts nothing at boot by itself", async () => {
    Object.assign(h.lima.facts, {
      OS: "Linux",
      OS_VERSION: "6.1.0",
      QEMU: "/usr/bin/qemu",
      KVM: "yes",
      LINGER: "yes",
    });
    await expect(h.create("LimaMac", macInputs)).rejects.toThrow(/`startAt: login`, and once: sudo loginctl/);
    const { state } = await h.create("LimaMac", { ...macInputs, startAt: "login" });
    expect(state["vmType"]).toBe("qemu");
  });

  describe("reached by SSH", () => {
    const [hostKey, otherKey] = [hostKeyPair(), hostKeyPair()];
    let mac: SshMachine;
    let folder: string;
    beforeEach(async () => {
      mac = new SshMachine();
      await mac.start(hostKey);
      folder = mkdtempSync(join(tmpdir(), "mac-"));
    });
    afterEach(async () => {
      await mac.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    const inputs = (known?: string): Properties => {
      const { address, port, user } = mac.transport();
      const given = known === undefined ? {} : { hostKey: known };
      return { ...macInputs, place: { kind: "ssh", address, port, user, ...given }, waitSeconds: 3 };
    };

    it("is entered with the user's key once, then with the cluster's", async () => {
      const own = newPrivateKey();
      writeFileSync(join(folder, "key"), own);
      h.environment["HOMESPAN_SSH_KEY"] = join(folder, "key");
      mac.keys = [own];
      const { state } = await h.create("LimaMac", inputs());
      expect(h.lima.keys).toEqual([publicKey]);
      expect(plain(state)["connection"]).toMatchObject({ kind: "ssh", privateKey, hostKey: hostKey.text });
      expect(isSecret(state["connection"])).toBe(true);
      delete h.environment["HOMESPAN_SSH_KEY"];
      mac.keys = [privateKey];
      await h.update("LimaMac", state, { ...inputs(), waitSeconds: 4 });
      await h.delete("LimaMac", state);
      expect(h.lima.keys).toEqual([]);
    });

    it("that takes no key says which line would let it in", async () => {
      mac.keys = [];
      await expect(h.create("LimaMac", inputs())).rejects.toThrow(
        /must take the cluster's key or one of yours, and takes neither[^]*HOMESPAN_SSH_KEY[^]*ssh-rsa AAAA/,
      );
    });

    it("asleep is a named failure within the time it was given, and is found by refresh", async () => {
      const { state } = await h.create("LimaMac", inputs());
      await mac.stop();
      const found = await h.read("LimaMac", state);
      expect(found).toMatchObject({ reachable: false });
      expect(await h.diff("LimaMac", found!, inputs())).toEqual({ reachable: "update" });
      const before = h.clock.now();
      await expect(h.update("LimaMac", found!, inputs())).rejects.toThrow(
        /^within 3 s the Mac admin@127\.0\.0\.1:\d+ cannot be reached: connection refused/,
      );
      expect(h.clock.now() - before).toBeLessThan(10_000);
      await mac.start(hostKey);
      expect(await h.update("LimaMac", found!, inputs())).toMatchObject({ reachable: true });
    });

    it("insists on the host key of its first contact", async () => {
      const { state } = await h.create("LimaMac", inputs());
      await mac.restart(otherKey);
      expect(await h.read("LimaMac", state)).toMatchObject({ reachable: false });
      const { message } = await h.update("LimaMac", state, inputs()).then(
        () => new Error("taken for the same"),
        (error: unknown) => error as Error,
      );
      expect(message).toMatch(
        /^the Mac admin@127\.0\.0\.1:\d+ must show the host key of its first contact, got /,
      );
      expect(message).toContain(`${fingerprint(otherKey.text)}. Another Mac answers there`);
      // What helps with a machine that boots with our files is of no use here.
      expect(message).toMatch(/if you installed it anew: its new key into `mac\.hostKey`/);
      expect(message).not.toMatch(/MachineBoot|LimaMac|--replace/);
    });

    it("insists on the host key of the configuration, and takes one that was installed anew by its new key there", async () => {
      const { state } = await h.create("LimaMac", inputs(hostKey.text));
      await mac.restart(otherKey);
      await expect(h.update("LimaMac", state, inputs(hostKey.text))).rejects.toThrow(
        /must show the key in `mac\.hostKey`, got /,
      );
      const known = await h.update("LimaMac", state, inputs(otherKey.text));
      expect(plain(known)["connection"]).toMatchObject({ hostKey: otherKey.text });
    });
  });
});

describe("LimaDisk", () => {
  it("is made once; another one under its name is another node's", async () => {
    const { state } = await h.create("LimaDisk", diskInputs(0));
    expect(h.lima.disks.get("home-agent-1-data")?.sizeGiB).toBe(300);
    expect(await h.read("LimaDisk", state)).toEqual(state);
    expect(await h.diff("LimaDisk", state, diskInputs(0))).toEqual({});
    // A state that was lost, or a run that was killed: the same disk.
    expect((await h.create("LimaDisk", diskInputs(0))).state["identity"]).toBe(state["identity"]);
    h.lima.disks.delete("home-agent-1-data");
    expect(await h.read("LimaDisk", state)).toBeUndefined();
    const later = await h.create("LimaDisk", diskInputs(0));
    expect(later.state["identity"]).not.toBe(state["identity"]);
    await h.delete("LimaDisk", state);
    expect(h.lima.disks.has("home-agent-1-data")).toBe(true);
    await h.delete("LimaDisk", later.state);
    expect(h.lima.disks.size).toBe(0);
    await h.delete("LimaDisk", later.state);
  });

  it.each(["", "home agent-9 0f", "work agent-1 0f"])(
    "does not touch a disk of another's: %j",
    async (mark) => {
      h.lima.disks.set("home-agent-1-data", { sizeGiB: 300, mark, content: "theirs", instance: "" });
      await expect(h.create("LimaDisk", diskInputs(0))).rejects.toThrow(
        /must be free on this machine, got home-agent-1-data, a disk that is there and not this node's; it is not touched/,
      );
      expect(h.lima.disks.get("home-agent-1-data")?.content).toBe("theirs");
    },
  );

  it.each([
    ["\nno answer within 60 s", "no answer within 60 s"],
    [
      "cat: /Users/admin/.lima/_disks/home-agent-1-data/homespan.id: Operation not permitted\n",
      "not permitted",
    ],
  ])("whose mark cannot be read is neither gone nor another's: %j", async (unread, said) => {
    const { state } = await h.create("LimaDisk", diskInputs(0));
    h.lima.unread = unread;
    const attempts = [
      () => h.read("LimaDisk", state),
      () => h.create("LimaDisk", diskInputs(0)),
      () => h.delete("LimaDisk", state),
    ];
    for (const attempt of attempts) {
      const { message } = await attempt().then(
        () => new Error("done"),
        (error: unknown) => error as Error,
      );
      expect(message).toMatch(/^reading whose data is on disk home-agent-1-data on this machine failed: /);
      expect(message).toContain(said);
      expect(message).toMatch(
        /The disk is left as it is; run again, and if this stays, there: cat \/Users\/admin\/\.lima\/_disks\/home-agent-1-data\/homespan\.id$/,
      );
    }
    h.lima.unread = undefined;
    expect(await h.read("LimaDisk", state)).toEqual(state);
  });

  it("stays as large as it was made", async () => {
    const { state } = await h.create("LimaDisk", diskInputs(0));
    await expect(h.update("LimaDisk", state, { ...diskInputs(0), sizeGiB: 400 })).rejects.toThrow(
      /`sizeGiB` of home-agent-1-data must stay 300, got 400/,
    );
  });

  it("is not removed under a virtual machine, though Lima says nothing of it", async () => {
    const { disk, state } = await made();
    await expect(h.delete("LimaDisk", disk)).rejects.toThrow(/in use by instance `home-agent-1`/);
    h.lima.instances.get("home-agent-1")!.status = "Stopped";
    h.lima.disks.get("home-agent-1-data")!.instance = "";
    await expect(h.delete("LimaDisk", disk)).rejects.toThrow(/stays: a virtual machine there still names it/);
    await h.delete("LimaVm", state);
    await h.delete("LimaDisk", disk);
    expect(h.lima.disks.size).toBe(0);
  });
});

describe("LimaVm", () => {
  it("is made, started, and starts with the Mac", async () => {
    const { state } = await made();
    expect(h.lima.instances.get("home-agent-1")).toMatchObject({ status: "Running", starts: 1 });
    expect(h.lima.launchd.get("home-agent-1")).toBe("boot");
    expect(h.lima.disks.get("home-agent-1-data")?.instance).toBe("home-agent-1");
    const { identity } = plain(state);
    expect(await h.read("LimaVm", state)).toEqual(state);
    expect(await h.diff("LimaVm", state, vmInputs(0, String(identity)))).toEqual({});
    expect(h.lima.commands.filter((it) => !it.startsWith("list"))).toEqual([]);
  });

  it("gives nothing of k3s and no secret to Lima", async () => {
    await made();
    expect(JSON.stringify(h.lima.instances.get("home-agent-1")?.config)).not.toMatch(
      /config\.yaml|PRIVATE KEY|token/,
    );
  });

  const deleteByHand = () => h.lima.run({ kind: "local" }, ["limactl", "delete", "--force", "home-agent-1"]);

  it("is made again when it was deleted by hand, on the data that is there", async () => {
    const { disk, state } = await made();
    h.lima.disks.get("home-agent-1-data")!.content = "images";
    await deleteByHand();
    const found = await h.read("LimaVm", state);
    expect(await h.read("LimaDisk", disk)).toEqual(disk);
    const inputs = vmInputs(0, String(disk["identity"]));
    expect(await h.diff("LimaVm", found!, inputs)).toEqual({ running: "update" });
    const again = await h.update("LimaVm", found!, inputs);
    expect(again["machineId"]).not.toBe(state["machineId"]);
    expect(again).toMatchObject({ running: true });
    expect(h.lima.disks.get("home-agent-1-data")).toMatchObject({
      content: "images",
      instance: "home-agent-1",
    });
  });

  it("deleted by hand starts with the Mac no more once its node is taken away, though Lima forgot that", async () => {
    const { state } = await made();
    await deleteByHand();
    expect(h.lima.launchd.get("home-agent-1")).toBe("boot");
    const found = await h.read("LimaVm", state);
    await h.delete("LimaVm", found!);
    expect(h.lima.launchd.size).toBe(0);
    expect(await h.read("LimaVm", found!)).toBeUndefined();
  });

  it("deleted by hand with what starts it is gone, and is made again", async () => {
    const { state: disk } = await h.create("LimaDisk", diskInputs(0));
    const inputs = { ...vmInputs(0, String(disk["identity"])), startAt: "login" };
    const { state } = await h.create("LimaVm", inputs);
    await deleteByHand();
    expect(await h.read("LimaVm", state)).toBeUndefined();
    await h.create("LimaVm", inputs);
    expect(h.lima.launchd.get("home-agent-1")).toBe("login");
  });

  it("is started again when it was stopped by hand, and nobody is asked to leave it", async () => {
    const { state } = await made();
    h.lima.join("home-agent-1", fakeNode("agent-1", { ready: false }));
    h.lima.instances.get("home-agent-1")!.status = "Stopped";
    const found = await h.read("LimaVm", state);
    const inputs = vmInputs(0, String(state["identity"]));
    expect(await h.diff("LimaVm", found!, inputs)).toEqual({ running: "update" });
    const healed = await h.update("LimaVm", found!, inputs);
    expect(healed).toMatchObject({ running: true, machineId: state["machineId"] });
    expect(h.lima.instances.get("home-agent-1")).toMatchObject({ status: "Running", starts: 2 });
    expect(h.kubernetes.calls).toEqual([]);
  });

  it.each([
    ["cpus", "foundCpus", 8],
    ["memory", "foundMemoryMiB", "2048MiB"],
  ] as const)("has its %s set right again when they were changed by hand", async (key, path, value) => {
    const { state } = await made();
    Object.assign(h.lima.instances.get("home-agent-1")!.config, { [key]: value });
    const found = await h.read("LimaVm", state);
    const inputs = vmInputs(0, String(state["identity"]));
    expect(await h.diff("LimaVm", found!, inputs)).toEqual({ [path]: "update" });
    await h.update("LimaVm", found!, inputs);
    expect(h.lima.instances.get("home-agent-1")?.config).toMatchObject({ cpus: 3, memory: "8192MiB" });
  });

  it("starts with the Mac again when somebody took that away, without a restart", async () => {
    const { state } = await made();
    h.lima.launchd.clear();
    const found = await h.read("LimaVm", state);
    const inputs = vmInputs(0, String(state["identity"]));
    expect(await h.diff("LimaVm", found!, inputs)).toEqual({ foundStartAt: "update" });
    await h.update("LimaVm", found!, inputs);
    expect(h.lima.launchd.get("home-agent-1")).toBe("boot");
    await h.update("LimaVm", state, { ...inputs, startAt: "login" });
    expect(h.lima.launchd.get("home-agent-1")).toBe("login");
    await h.update("LimaVm", state, { ...inputs, startAt: "off" });
    expect(h.lima.launchd.size).toBe(0);
    expect(h.lima.instances.get("home-agent-1")?.starts).toBe(1);
  });

  it("another image makes it anew, drained, with its data", async () => {
    const { state } = await made();
    h.lima.join("home-agent-1", fakeNode("agent-1"));
    h.kubernetes.pods.push({
      metadata: { name: "web", namespace: "default" },
      spec: { nodeName: "agent-1" },
      status: { phase: "Running" },
    });
    h.lima.disks.get("home-agent-1-data")!.content = "images";
    const inputs = {
      ...vmInputs(3, ""),
      ...vmInputs(0, String(state["identity"])),
      images: vmInputs(3, "")["images"],
    };
    expect(Object.values(await h.diff("LimaVm", state, inputs))).toEqual(["update"]);
    const after = await h.update("LimaVm", state, inputs);
    expect(after["machineId"]).not.toBe(state["machineId"]);
    expect(h.kubernetes.pods).toEqual([]);
    expect(h.lima.instances.get("home-agent-1")?.config.images[0]?.location).toContain("25.10");
    expect(h.lima.disks.get("home-agent-1-data")).toMatchObject({
      content: "images",
      instance: "home-agent-1",
    });
    // Lima forgets what starts with the Mac when it deletes: it is undone before, and done again.
    const changing = h.lima.commands
      .filter((it) => !/list|shell/.test(it))
      .map((it) => it.split(" ").slice(0, 2).join(" "));
    expect(changing).toEqual([
      ...[
        "stop home-agent-1",
        "autostart disable",
        "delete --force",
        "--tty=false create",
        "--tty=false start",
      ],
      "autostart enable",
    ]);
  });

  it("a disk that shrinks is refused before anybody is asked to leave", async () => {
    const { state } = await made();
    h.lima.join("home-agent-1", fakeNode("agent-1"));
    const inputs = vmInputs(0, String(state["identity"]));
    await expect(h.update("LimaVm", state, { ...inputs, diskGiB: 10 })).rejects.toThrow(
      /`diskGiB` of home-agent-1 must be at least the 20 it has, got 10/,
    );
    expect(h.kubernetes.nodes.get("agent-1")?.spec.unschedulable).toBeUndefined();
    await h.update("LimaVm", state, { ...inputs, diskGiB: 40 });
    expect(h.lima.instances.get("home-agent-1")?.config.disk).toBe("40GiB");
  });

  it("refuses the name of a machine that is not its own, and leaves that one alone", async () => {
    const config = { vmType: "vz", images: [], cpus: 1, memory: "1GiB", disk: "1GiB", message: "mine" };
    h.lima.instances.set("home-agent-1", { config, status: "Running", starts: 1 });
    await expect(h.create("LimaVm", vmInputs(0, "1f"))).rejects.toThrow(
      /must be free on this machine, got home-agent-1/,
    );
    expect(h.lima.instances.get("home-agent-1")).toMatchObject({ status: "Running", starts: 1 });
  });

  it("leaves nothing behind when its image cannot be had, where Lima leaves half a machine", async () => {
    h.lima.withoutImage.add("home-agent-1");
    await expect(h.create("LimaVm", vmInputs(0, "1f"))).rejects.toThrow(
      /^making home-agent-1 on this machine failed: failed to download the image: unexpected status code 404$/,
    );
    expect(h.lima.instances.size).toBe(0);
  });

  it("that does not start is kept, and started by the next run", async () => {
    const { state: disk } = await h.create("LimaDisk", diskInputs(0));
    h.lima.broken.add("home-agent-1");
    const inputs = vmInputs(0, String(disk["identity"]));
    const error = await h.create("LimaVm", inputs).then(
      () => undefined,
      (thrown: unknown) => thrown as CallError,
    );
    expect(error?.message).toMatch(/starting home-agent-1 on this machine failed: did not receive an event/);
    h.lima.broken.clear();
    const found = await h.read("LimaVm", error!.kept!);
    expect(await h.diff("LimaVm", found!, inputs)).toMatchObject({ running: "update" });
    await h.update("LimaVm", found!, inputs);
    expect(h.lima.instances.get("home-agent-1")).toMatchObject({ status: "Running" });
    expect(h.lima.launchd.get("home-agent-1")).toBe("boot");
  });

  it("of a run that was killed is made anew", async () => {
    const { state: disk } = await h.create("LimaDisk", diskInputs(0));
    const inputs = vmInputs(0, String(disk["identity"]));
    const { state } = await h.create("LimaVm", inputs);
    const again = await h.create("LimaVm", inputs);
    expect(again.state["machineId"]).not.toBe(state["machineId"]);
    expect(h.lima.instances.get("home-agent-1")?.starts).toBe(1);
  });

  it("on a Mac that sleeps is neither gone nor found to have changed", async () => {
    const { state } = await made();
    const transport = {
      kind: "ssh" as const,
      address: "imac.local",
      port: 22,
      user: "admin",
      privateKey: "k",
    };
    const asleep = { ...plain(state), mac: transport };
    h.lima.away = new SshFailure(transport, "silent", "no answer within 10 s");
    const found = await h.read("LimaVm", asleep);
    expect(found).toMatchObject({ reachable: false, machineId: state["machineId"] });
    const inputs = { ...vmInputs(0, String(state["identity"])), mac: transport };
    expect(await h.diff("LimaVm", found!, inputs)).toEqual({ reachable: "update" });
    for (const attempt of [() => h.update("LimaVm", found!, inputs), () => h.delete("LimaVm", asleep)]) {
      await expect(attempt()).rejects.toThrow(
        /^the Mac admin@imac\.local:22 cannot be reached: no answer within 10 s\. If it sleeps, wake it/,
      );
    }
    expect(await h.read("LimaDisk", { ...diskInputs(0), mac: transport, identity: "1f" })).toMatchObject({
      identity: "1f",
    });
  });

  it("on a Mac that shows another host key is told nothing, in words about the Mac", async () => {
    const { state } = await made();
    const { text } = hostKeyPair();
    const mac = { kind: "ssh" as const, address: "imac.local", port: 22, user: "admin", privateKey: "k" };
    h.lima.away = otherMachine({ ...mac, hostKey: text }, text);
    await expect(h.delete("LimaVm", { ...plain(state), mac: { ...mac, hostKey: text } })).rejects.toThrow(
      /^the Mac admin@imac\.local:22 must show the host key that is known of it, got (?!.*MachineBoot).* into `mac\.hostKey`/,
    );
  });

  it("deleted with its machine already gone is no failure; one of another's stays", async () => {
    const { state } = await made();
    h.lima.instances.get("home-agent-1")!.config.message = "mine now";
    await h.delete("LimaVm", state);
    expect(h.lima.instances.size).toBe(1);
    h.lima.instances.clear();
    await h.delete("LimaVm", state);
  });

  it("deleted takes what starts it along, which Lima itself forgets", async () => {
    const { state } = await made();
    await h.delete("LimaVm", state);
    expect(h.lima.instances.size).toBe(0);
    expect(h.lima.launchd.size).toBe(0);
    expect(h.lima.disks.get("home-agent-1-data")?.instance).toBe("");
  });

  it.each([
    ["a name that is a path", { name: "../x" }, /`name` must be letters and digits/],
    ["no image", { images: [] }, /`images` must/],
    ["a port of the system's", { sshPort: 22 }, /`sshPort` must be at least 1024/],
    ["an unknown property", { memory: 1 }, /`memory` must be a known property, got an unknown name/],
  ])("refuses %s in the program already", async (_name, change, message) => {
    const { problems } = await h.check("LimaVm", { ...vmInputs(0, "1f"), ...change });
    expect(problems.join("\n")).toMatch(message);
  });
});

it("the sample's provisioning is what a component gives", () => {
  expect(provision.length).toBeGreaterThan(3);
  expect(plans.map(({ sshPort }) => sshPort)).toEqual([60_101, 60_102, 60_103, 60_104]);
});
