import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  checkRootless,
  checkRootlessK3d,
  idsOf,
  serviceTimeoutIn,
  type RootlessFacts,
} from "../../components/render/rootless-podman.ts";

const ready: RootlessFacts = {
  user: "ada",
  cgroup: "v2",
  controllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"],
  userNamespaces: true,
  subordinateUids: 65536,
  subordinateGids: 65536,
  mapPrograms: true,
  networkProgram: true,
  storageDriver: "overlay",
  missingModules: [],
  podman: "5.4.2",
  runtimeDirectory: "/run/user/1000",
  socket: true,
  serviceTimeout: 0,
  dockerHost: undefined,
  lowestPort: 1024,
  lingers: true,
};
const all = (facts: Partial<RootlessFacts> = {}): ReturnType<typeof checkRootless> => [
  ...checkRootless({ ...ready, ...facts }),
  ...checkRootlessK3d({ ...ready, ...facts }),
];
const found = (facts: Partial<RootlessFacts>, name: string): ReturnType<typeof checkRootless>[number] => {
  const check = all(facts).find((it) => it.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check;
};

describe("a machine that is ready", () => {
  test("has nothing to fix, and is told how to call k3d without root", () => {
    const checks = all();
    expect(checks.filter(({ result }) => result === "problem")).toEqual([]);
    expect(checks.at(-1)).toEqual({
      name: "k3d",
      result: "notice",
      message: "without root, see docs/podman.md",
      fix:
        "export DOCKER_HOST=unix:///run/user/1000/podman/podman.sock DOCKER_SOCK=/run/user/1000/podman/podman.sock; " +
        "k3d cluster create --k3s-arg '--kubelet-arg=feature-gates=KubeletInUserNamespace=true@all:*'",
    });
  });

  test("hears of a DOCKER_HOST that leads elsewhere, and of no other", () => {
    expect(found({ dockerHost: "unix:///var/run/docker.sock" }, "k3d").message).toContain(
      "(DOCKER_HOST is unix:///var/run/docker.sock now)",
    );
    const same = "unix:///run/user/1000/podman/podman.sock";
    expect(found({ dockerHost: same }, "k3d").message).not.toContain("DOCKER_HOST is");
  });
});

const cases: readonly (readonly [string, Partial<RootlessFacts>, RegExp, RegExp])[] = [
  ["cgroup", { cgroup: "v1" }, /v1 or hybrid/, /unified_cgroup_hierarchy=1/],
  ["delegation", { controllers: undefined }, /session for ada/, /enable-linger ada/],
  ["delegation", { controllers: ["memory", "pids"] }, /missing: cpu cpuset io$/, /delegate\.conf/],
  ["userns", { userNamespaces: false }, /only root/, /max_user_namespaces/],
  ["userns", { mapPrograms: false }, /newuidmap/, /uidmap/],
  ["subids", { subordinateUids: 0 }, /got 0 and 65536/, /--add-subuids 100000-165535/],
  ["subids", { subordinateGids: 1000 }, /got 65536 and 1000/, /podman system migrate/],
  ["podman", { podman: "3.4.4" }, /4 or newer, got 3\.4\.4/, /podman\.io/],
  ["podman", { podman: undefined }, /got none/, /podman\.io/],
  ["network", { networkProgram: false }, /slirp4netns or pasta/, /apt-get install slirp4netns/],
  [
    "modules",
    { missingModules: ["vxlan", "tun"] },
    /missing: vxlan tun$/,
    /modprobe -a vxlan tun; .*modules-load/,
  ],
  ["socket", { socket: false }, /no \/run\/user\/1000\/podman\/podman\.sock/, /systemctl --user enable/],
];

describe("what keeps Podman from running nodes without root", () => {
  test.each(cases)("%s %o", (name, facts, message, fix) => {
    const checks = all(facts);
    const problems = checks.filter(({ result }) => result === "problem");
    expect(problems.map((check) => check.name)).toEqual([name]);
    expect(problems[0]?.message).toMatch(message);
    expect(problems[0]?.fix).toMatch(fix);
    // Found to be wanting, the machine runs them as root.
    expect(checks.at(-1)?.message).toContain("as root");
    expect(checks.at(-1)?.fix).toContain("DOCKER_HOST=unix:///run/podman/podman.sock");
    expect(checks.at(-1)?.fix).not.toContain("KubeletInUserNamespace");
  });

  test("on cgroup v1 nothing is said of what a session was handed down, and kubelet is told", () => {
    const checks = all({ cgroup: "v1", controllers: undefined });
    expect(checks.map(({ name }) => name)).not.toContain("delegation");
    expect(checks.at(-1)?.fix).toContain("fail-cgroupv1=false@all:*");
  });

  test("a service that ends, and a login that ends, are notices", () => {
    expect(found({ serviceTimeout: undefined }, "timeout")).toMatchObject({ result: "notice" });
    expect(found({ serviceTimeout: 5 }, "timeout").fix).toContain("service_timeout=0");
    expect(found({ lingers: false }, "linger")).toMatchObject({ result: "notice" });
  });
});

test("nodes of the ci stack need none of what k3d needs besides", () => {
  const names = checkRootless({ ...ready, socket: false }).map(({ name }) => name);
  expect(names).not.toContain("socket");
  expect(names).not.toContain("k3d");
});

test("vfs, which copies whole images, is a notice with what to write", () => {
  expect(found({ storageDriver: "vfs" }, "storage")).toMatchObject({
    result: "notice",
    fix: expect.stringContaining("printf '[storage]\\ndriver = \"overlay\"\\n'") as string,
  });
  expect(found({ storageDriver: undefined }, "storage").result).toBe("ok");
});

test("the drop-in is written by the very command that is printed", () => {
  const folder = mkdtempSync(join(tmpdir(), "homespan-delegation-"));
  try {
    const fix = found({ controllers: [] }, "delegation").fix ?? "";
    const command = fix
      .replace(/ && sudo systemctl.*$/, "")
      .replace("sudo ", "")
      .replace("/etc/systemd", `${folder}/etc/systemd`);
    execFileSync("sh", ["-c", command]);
    expect(readFileSync(join(folder, "etc/systemd/system/user@.service.d/delegate.conf"), "utf8")).toBe(
      "[Service]\nDelegate=cpu cpuset io memory pids\n",
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("subordinate ids are those of the user, by name or by number, all ranges together", () => {
  const text = "root:1:9\nada:100000:65536\n1000:300000:10\nadam:200000:65536\nada:broken\n";
  expect(idsOf(text, "ada", 1000)).toBe(65546);
  expect(idsOf(undefined, "ada", 1000)).toBe(0);
});

test("the first containers.conf that sets service_timeout decides", () => {
  expect(serviceTimeoutIn(["[engine]\nservice_timeout=0\n", "[engine]\nservice_timeout = 9\n"])).toBe(0);
  expect(serviceTimeoutIn([undefined, "[engine]\n  service_timeout = 9\n"])).toBe(9);
  expect(serviceTimeoutIn(["#service_timeout=0\n", undefined])).toBeUndefined();
});
