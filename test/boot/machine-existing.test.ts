/** A machine that somebody else set up: looked at without a change, joined, and left as it was found. */
import { execa } from "execa";
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { judgeMachine, parseMachineProbe, sshPortsOf } from "../../components/render/machine-probe.ts";
import { project } from "./machine.ts";

const key = "ssh-rsa AAAA homespan-prod";
const user = userInfo().username;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "existing-"));
  // All that could touch the machine that runs the tests: each writes down how it was called.
  for (const name of [
    ...["systemctl", "ip", "nft", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore"],
    ...["ipset", "umount", "ps", "ss", "sshd", "modprobe", "timedatectl", "ufw", "mountpoint"],
  ]) {
    fake(name, "exit 1");
  }
  fake("systemctl", "exit 0");
  fake("getent", `echo "${user}:x:0:0::/home/owner:/bin/sh"`);
  put("proc/filesystems", "nodev\toverlay\n");
  put("proc/meminfo", "MemTotal: 2048000 kB\nSwapTotal: 0 kB\n");
  put("proc/mounts", "");
  put("etc/machine-id", "34e37c21e9a2c7bc34e37c21e9a2c7bc\n");
  put("etc/os-release", 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n');
  put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
  put("etc/systemd/system/other.service", "[Service]\n");
  put("home/owner/.profile", "");
  mkdirSync(join(root, "run/systemd/system"), { recursive: true });
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
function fake(name: string, body: string): void {
  put(`fakes/${name}`, `#!/bin/sh\necho "${name} $*" >>"$HOMESPAN_ROOT/fakes/log"\n${body}\n`);
  chmodSync(join(root, "fakes", name), 0o755);
}
async function run(script: string, ...args: string[]): Promise<string> {
  const done = await execa("dash", [join(project, "boot/machine/existing", script), ...args], {
    env: { PATH: `${join(root, "fakes")}:${process.env["PATH"] ?? ""}`, HOMESPAN_ROOT: root },
    timeout: 15_000,
  });
  return done.stdout;
}
const calls = (): string[] => readFileSync(join(root, "fakes/log"), "utf8").trim().split("\n");
const arrive = (by = key): Promise<string> => run("arrive", "prod", "pi", "machine-1", "f00d", user, by);

/** Every path but the fakes' with mode and content. */
function tree(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((path) => !path.startsWith("fakes"))
      .map((path) => {
        const found = lstatSync(join(root, path));
        const content = found.isFile() ? readFileSync(join(root, path), "utf8") : "";
        return [path, `${(found.mode & 0o7777).toString(8)} ${content}`];
      }),
  );
}

/** What a node leaves on a machine, as far as files go. */
function live(): void {
  const k3s = "#!/bin/sh\n";
  const sum = createHash("sha256").update(k3s).digest("hex");
  put("usr/local/bin/k3s", k3s);
  put(`var/lib/homespan/artifacts/K3S.${sum}`, `${sum}  ${root}/usr/local/bin/k3s\n`);
  put("etc/systemd/system/k3s.service", "# Homespan: k3s\n[Service]\n");
  put("etc/systemd/system/homespan-firewall.service", "# Homespan: firewall\n[Service]\n");
  put("etc/homespan/firewall.nft", "table\n");
  put("usr/lib/homespan/boot-files", "#!/bin/sh\n");
  put("run/homespan/data-ready", "");
  put("etc/sysctl.d/90-homespan.conf", "kernel.panic=10\n");
  put("data/rancher/k3s/agent/client.key", "secret");
  put("data/secrets/agent-token", "secret");
  put("data/join.conf", "ROLE=agent\n");
  put("etc/cni/net.d/10-flannel.conflist", "{}");
  mkdirSync(join(root, "var/lib/rancher"), { recursive: true });
}

describe("the probe", () => {
  test("tells what there is in words that are understood, and changes nothing", async () => {
    const before = tree();
    const facts = parseMachineProbe(await run("probe"));
    expect(facts).toMatchObject({
      SYSTEMD: "yes",
      OS: "Debian GNU/Linux 12 (bookworm)",
      MEMORY_MIB: "2000",
      CGROUP: "v2",
      MISSING_CONTROLLERS: "",
      DATA: "absent",
      FOREIGN: "",
      INSTALLED: "no",
    });
    expect(facts["MACHINE_ID"]).toMatch(/^[0-9a-f]{16}$/);
    expect(tree()).toEqual(before);
  });

  test("finds another Kubernetes, another Tailscale, and ports that are taken", async () => {
    put("usr/lib/systemd/system/tailscaled.service", "[Service]\n");
    put("etc/systemd/system/k3s.service", "[Unit]\nDescription=Lightweight Kubernetes\n");
    put("var/lib/kubelet/config.yaml", "");
    put(
      "fakes/listening",
      "tcp LISTEN 0 128 0.0.0.0:10250 0.0.0.0:*\nudp UNCONN 0 0 *:41641 *:*\ntcp LISTEN 0 1 *:80 *:*\n",
    );
    fake("ss", 'case $1 in -Hlntu) cat "$HOMESPAN_ROOT/fakes/listening" ;; esac');
    const facts = parseMachineProbe(await run("probe"));
    expect(facts["FOREIGN"]).toBe("k3s.service tailscaled.service /var/lib/kubelet");
    expect(facts["TAKEN_PORTS"]).toBe("10250/tcp 41641/udp");
  });

  test("finds the controllers a Raspberry Pi's kernel leaves out, in both hierarchies", async () => {
    put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
    expect(parseMachineProbe(await run("probe"))["MISSING_CONTROLLERS"]).toBe("memory");
    rmSync(join(root, "sys/fs/cgroup/cgroup.controllers"));
    put("proc/cgroups", "#name h n e\ncpuset 1 1 1\ncpu 2 1 1\nmemory 3 1 0\npids 4 1 1\n");
    const facts = parseMachineProbe(await run("probe"));
    expect([facts["CGROUP"], facts["MISSING_CONTROLLERS"]]).toEqual(["v1", "memory"]);
  });

  test("finds every port of sshd", async () => {
    fake("sshd", "printf 'port 22\\nport 2022\\n'");
    expect(sshPortsOf(parseMachineProbe(await run("probe")))).toEqual([22, 2022]);
  });

  test.each([
    ["empty", () => mkdirSync(join(root, "data/lost+found"), { recursive: true }), ""],
    [
      "used",
      () => {
        put("data/photos/one.jpg", "");
      },
      "photos",
    ],
    [
      "file",
      () => {
        put("data", "");
      },
      "",
    ],
  ])("says that /data is %s", async (state, make, holds) => {
    make();
    const facts = parseMachineProbe(await run("probe"));
    expect([facts["DATA"], facts["DATA_HOLDS"]]).toEqual([state, holds]);
  });

  test("knows the node again that it was made", async () => {
    await arrive();
    const facts = parseMachineProbe(await run("probe"));
    expect(facts).toMatchObject({ DATA: "ours", OWNER_CLUSTER: "prod", OWNER_NODE: "pi", OWNER_ID: "f00d" });
    const wanted = { clusterName: "prod", nodeName: "pi", now: Date.now() };
    expect(judgeMachine(facts, wanted).find(({ name }) => name === "data")?.result).toBe("ok");
  });
});

describe("arrival", () => {
  test("twice is arrival once: one line of the key, with the owner's own kept", async () => {
    put("home/owner/.ssh/authorized_keys", "ssh-ed25519 BBBB owner");
    await arrive();
    const once = tree();
    await arrive();
    expect(tree()).toEqual(once);
    expect(readFileSync(join(root, "home/owner/.ssh/authorized_keys"), "utf8")).toBe(
      `ssh-ed25519 BBBB owner\n${key}\n`,
    );
    expect(readFileSync(join(root, "data/homespan.id"), "utf8")).toBe(
      "CLUSTER=prod\nNODE=pi\nMACHINE=machine-1\nID=f00d\n",
    );
  });

  /** From here on the user has another home, as another user would. */
  const anotherUser = (): void => {
    put("home/other/.profile", "");
    fake("getent", `echo "${user}:x:0:0::/home/other:/bin/sh"`);
  };

  test("of another user shuts the former one's key out, which nothing would take out later", async () => {
    put("home/owner/.ssh/authorized_keys", "ssh-ed25519 BBBB owner\n");
    await arrive();
    anotherUser();
    await arrive();
    expect(readFileSync(join(root, "home/owner/.ssh/authorized_keys"), "utf8")).toBe(
      "ssh-ed25519 BBBB owner\n",
    );
    expect(readFileSync(join(root, "home/other/.ssh/authorized_keys"), "utf8")).toBe(`${key}\n`);
    const once = tree();
    await arrive();
    expect(tree()).toEqual(once);
    await run("leave");
    expect(readdirSync(join(root, "home/other"))).toEqual([".profile"]);
  });

  test("of another user takes what was made for the former one's key along", async () => {
    await arrive();
    expect(readdirSync(join(root, "home/owner"))).toContain(".ssh");
    anotherUser();
    await arrive();
    expect(readdirSync(join(root, "home/owner"))).toEqual([".profile"]);
  });

  test("of another user who has the key already shuts the former one's out, and leaves that line when it leaves", async () => {
    await arrive();
    anotherUser();
    put("home/other/.ssh/authorized_keys", `${key}\n`);
    await arrive();
    expect(readdirSync(join(root, "home/owner"))).toEqual([".profile"]);
    await run("leave");
    expect(readFileSync(join(root, "home/other/.ssh/authorized_keys"), "utf8")).toBe(`${key}\n`);
  });

  test("with another key of the cluster's takes the former one's place", async () => {
    await arrive();
    await arrive("ssh-rsa CCCC homespan-prod");
    expect(readFileSync(join(root, "home/owner/.ssh/authorized_keys"), "utf8")).toBe(
      "ssh-rsa CCCC homespan-prod\n",
    );
    await run("leave");
    expect(readdirSync(join(root, "home/owner"))).toEqual([".profile"]);
  });

  test("of a user without a home directory leaves the former one's key", async () => {
    await arrive();
    fake("getent", `echo "${user}:x:0:0::/home/nobody:/bin/sh"`);
    await expect(arrive()).rejects.toThrow(/must have a home directory, got "\/home\/nobody"/);
    expect(readFileSync(join(root, "home/owner/.ssh/authorized_keys"), "utf8")).toBe(`${key}\n`);
  });
});

describe("leaving", () => {
  test("gives back the machine that was found", async () => {
    const before = tree();
    await arrive();
    live();
    expect(await run("leave")).toBe("Homespan is off this machine");
    // Directories of the system that lie above stay.
    const after = Object.entries(tree()).filter(
      ([path]) => !/^(usr|usr\/(lib|local|local\/bin)|var|var\/lib|etc|etc\/sysctl\.d)$/.test(path),
    );
    expect(Object.fromEntries(after)).toEqual(
      Object.fromEntries(Object.entries(before).filter(([path]) => path !== "etc")),
    );
    expect(calls()).toContain("systemctl disable --quiet k3s.service");
    expect(calls()).toContain("nft delete table inet homespan");
  });

  test("leaves what it did not make: other files in /data, another k3s, another unit of a name of ours", async () => {
    put("etc/cni/net.d/own.conf", "{}");
    put("home/owner/.ssh/authorized_keys", "ssh-ed25519 BBBB owner\n");
    await arrive();
    live();
    put("data/photos/one.jpg", "");
    put("usr/local/bin/k3s", "somebody's\n");
    put("etc/systemd/system/tailscaled.service", "[Service]\n");
    await run("leave");
    expect(readdirSync(join(root, "data"))).toEqual(["photos"]);
    expect(readFileSync(join(root, "usr/local/bin/k3s"), "utf8")).toBe("somebody's\n");
    expect(readdirSync(join(root, "etc/systemd/system")).sort()).toEqual([
      "other.service",
      "tailscaled.service",
    ]);
    expect(readdirSync(join(root, "etc/cni/net.d")).sort()).toEqual(["10-flannel.conflist", "own.conf"]);
    expect(readFileSync(join(root, "home/owner/.ssh/authorized_keys"), "utf8")).toBe(
      "ssh-ed25519 BBBB owner\n",
    );
    expect(calls()).not.toContain("systemctl stop tailscaled.service");
  });

  test("of rules takes the cluster's and leaves the owner's", async () => {
    await arrive();
    fake(
      "iptables-save",
      "printf '*filter\\n-A INPUT -p tcp --dport 80 -j ACCEPT\\n-A KUBE-FORWARD -j ACCEPT\\nCOMMIT\\n'",
    );
    fake("iptables-restore", 'cat >"$HOMESPAN_ROOT/fakes/restored"');
    await run("leave");
    expect(readFileSync(join(root, "fakes/restored"), "utf8")).toBe(
      "*filter\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n",
    );
  });

  test("again, or on a machine that never was a node, does nothing", async () => {
    await arrive();
    live();
    await run("leave");
    const after = tree();
    expect(await run("leave")).toBe("Homespan is not on this machine");
    expect(tree()).toEqual(after);
  });

  test("works with /data elsewhere, and unmounts the innermost first", async () => {
    mkdirSync(join(root, "big/data"), { recursive: true });
    symlinkSync(join(root, "big/data"), join(root, "data"));
    await arrive();
    live();
    put("proc/mounts", "a /run/k3s/x ext4\nb /run/k3s/x/y ext4\nc /srv ext4\n");
    await run("leave");
    expect(readdirSync(join(root, "big/data"))).toEqual([]);
    expect(
      calls()
        .filter((call) => call.startsWith("umount"))
        .slice(0, 2),
    ).toEqual(["umount /run/k3s/x/y", "umount /run/k3s/x"]);
    expect(calls().join("\n")).not.toContain("/srv");
  });
});
