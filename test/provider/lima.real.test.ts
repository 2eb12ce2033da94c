/** Our words for `limactl`, said to the real one. It runs virtual machines nowhere here: they are made, changed and deleted. */
import { execa } from "execa";
import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limaFromBlueprint, usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { renderLima } from "../../components/render/lima.ts";
import { Limactl } from "../../provider/effects/lima/limactl.ts";
import { SystemMacs } from "../../provider/effects/macs.ts";
import type { Run } from "../../provider/effects/process.ts";
import { qemuAgent } from "../render/samples-lima.ts";
import { unprivileged, unprivilegedEnvironment, unprivilegedHome } from "../render/unprivileged.ts";

const mac = { kind: "local" } as const;
let home: string;
let image: { readonly location: string; readonly sha256: string; readonly arch: "x86_64" };
let lima: Limactl;
let hasQemu = false;

/** The programs of this project's toolchain, as a user whose virtual machines they are. */
function runWith(system?: string, at = home): Run {
  return async (program, args, options = {}) => {
    const finished = await execa(program, args, {
      ...unprivileged,
      input: options.input ?? "",
      extendEnv: false,
      env: unprivilegedEnvironment(at, system),
      cwd: at,
      reject: false,
    });
    return { code: finished.exitCode ?? 1, stdout: finished.stdout, stderr: finished.stderr };
  };
}
const ssh = { run: refuse, hostKey: refuse, close: () => undefined };
function refuse(): Promise<never> {
  return Promise.reject(new Error("nobody is far away"));
}

beforeAll(async () => {
  home = unprivilegedHome();
  const location = join(home, "image.raw");
  writeFileSync(location, "");
  truncateSync(location, 4 * 1024 ** 2);
  const sha256 = createHash("sha256")
    .update(Buffer.alloc(4 * 1024 ** 2))
    .digest("hex");
  image = { location, sha256, arch: "x86_64" };
  lima = new Limactl(new SystemMacs(runWith(), ssh));
  hasQemu = (await execa("qemu-img", ["--version"], { reject: false })).exitCode === 0;
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

const yamlOf = (name: string): string =>
  renderLima({
    ...qemuAgent,
    images: [image],
    dataDisk: `${name}-data`,
    message: `Homespan: ${name.slice("home-".length)} of cluster home (00000000000003f2)`,
  });

test("disks are made with their mark, found with it, and removed with it", async () => {
  expect(await lima.disk(mac, "home-agent-9-data")).toBeUndefined();
  await lima.createDisk(mac, "home-agent-9-data", 3, "home agent-9 0f");
  expect(await lima.disk(mac, "home-agent-9-data")).toEqual({
    directory: join(home, ".lima/_disks/home-agent-9-data"),
    sizeGiB: 3,
    instance: "",
    mark: "home agent-9 0f",
  });
  await expect(lima.createDisk(mac, "home-agent-9-data", 3, "x")).rejects.toThrow(
    /disk `home-agent-9-data` already exists/,
  );
  await lima.removeDisk(mac, "home-agent-9-data");
  expect(await lima.disk(mac, "home-agent-9-data")).toBeUndefined();
  await lima.removeDisk(mac, "home-agent-9-data");
});

test("several at once on a machine where Lima never was agree on one key", async ({ skip }) => {
  skip(!hasQemu, "qemu-img is not installed");
  const fresh = unprivilegedHome();
  const config = join(fresh, ".lima/_config");
  // Slow enough for all of them to find no key.
  const keygen = join(fresh, "bin/ssh-keygen");
  writeFileSync(keygen, '#!/bin/sh\nsleep 1\nexec /usr/bin/ssh-keygen "$@"\n', { mode: 0o755 });
  const there = new Limactl(new SystemMacs(runWith(undefined, fresh), ssh));
  try {
    const names = ["home-agent-1", "home-agent-2", "home-agent-3"];
    await Promise.all(
      names.map(async (name) => {
        await there.createDisk(mac, `${name}-data`, 3, name);
        await there.create(mac, name, yamlOf(name));
      }),
    );
    expect((await there.instances(mac)).map(({ name }) => name)).toEqual(names);
    const { stdout } = await execa("ssh-keygen", ["-y", "-f", join(config, "user")]);
    expect(readFileSync(join(config, "user.pub"), "utf8")).toBe(`${stdout}\n`);
    expect(stdout).toMatch(/^ssh-ed25519 \S+ lima$/);
    expect(readdirSync(config).filter((file) => file.startsWith(".homespan"))).toEqual([]);

    // Killed between the two halves, and left with none.
    rmSync(join(config, "user.pub"));
    await there.create(
      mac,
      "home-agent-4",
      yamlOf("home-agent-4").replace("home-agent-4-data", "home-agent-1-data"),
    );
    expect(readFileSync(join(config, "user.pub"), "utf8")).toBe(`${stdout}\n`);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
});

test("a machine that cannot be made leaves nothing behind", async () => {
  const broken = yamlOf("home-agent-8").replace(image.sha256, "0".repeat(64));
  await expect(lima.create(mac, "home-agent-8", broken)).rejects.toThrow(
    /^making home-agent-8 on this machine failed: .*digest/,
  );
  expect(await lima.instances(mac)).toEqual([]);
  // Without QEMU the real one makes the instance, and fails with its disk.
  const bare = new Limactl(new SystemMacs(runWith("/nowhere"), ssh));
  await bare.create(mac, "home-agent-8", yamlOf("home-agent-8")).catch((error: unknown) => {
    expect(String(error)).toMatch(/qemu-img/);
  });
  await lima.remove(mac, "home-agent-8");
  expect(await lima.instances(mac)).toEqual([]);
});

test("the probe finds this Lima", async () => {
  expect(await lima.facts(mac, ["login"])).toMatchObject({ LIMA: "2.2.0", LIMA_HOME: join(home, ".lima") });
});

describe("four agents of one blueprint", () => {
  const names = ["home-agent-1", "home-agent-2", "home-agent-3", "home-agent-4"];
  const big = limaFromBlueprint(usualLimaBlueprint, { cpus: 4, memoryMiB: 16_384 });

  test("are made, one is changed alone, and nothing is left of them", async ({ skip }) => {
    skip(!hasQemu, "qemu-img is not installed");
    for (const [index, name] of names.entries()) {
      await lima.createDisk(mac, `${name}-data`, 3, `home ${name} ${String(index)}`);
      await lima.create(mac, name, yamlOf(name));
    }
    expect(
      (await lima.instances(mac)).map(({ name, status, memoryMiB }) => [name, status, memoryMiB]),
    ).toEqual(names.map((name) => [name, "Stopped", 8192]));
    await expect(lima.create(mac, "home-agent-1", yamlOf("home-agent-1"))).rejects.toThrow(/already exists/);

    await lima.edit(
      mac,
      "home-agent-4",
      `.cpus = ${big.cpus} | .memory = "${big.memoryMiB}MiB" | .disk = "24GiB"`,
    );
    expect(
      (await lima.instances(mac)).map(({ cpus, memoryMiB, diskGiB }) => [cpus, memoryMiB, diskGiB]),
    ).toEqual([...names.slice(1).map(() => [3, 8192, 20]), [4, 16_384, 24]]);
    expect(await lima.instance(mac, "home-agent-4")).toMatchObject({
      message: "Homespan: agent-4 of cluster home (00000000000003f2)",
      sshPort: qemuAgent.sshPort,
    });
    await expect(lima.edit(mac, "home-agent-4", '.disk = "8GiB"')).rejects.toThrow(/shrinking the disk/);

    // One that does not run: it is as stopped as it can be, takes no command, and starts by itself at no time.
    await lima.stop(mac, "home-agent-1");
    expect(await lima.command(mac, "home-agent-1", ["true"])).toMatchObject({ code: 1 });
    expect(await lima.startsAt(mac, "home-agent-1")).toBe("off");
    await lima.setStart(mac, "home-agent-1", "off");
    await expect(lima.setStart(mac, "home-agent-1", "boot")).rejects.toThrow(/only supported on macOS/);

    await expect(lima.removeDisk(mac, "home-agent-1-data")).rejects.toThrow(
      /stays: a virtual machine there still names it/,
    );
    for (const name of names) await lima.remove(mac, name);
    for (const name of names) await lima.removeDisk(mac, `${name}-data`);
    expect(await lima.instances(mac)).toEqual([]);
    expect(await lima.instance(mac, "home-agent-1")).toBeUndefined();
    await lima.remove(mac, "home-agent-1");
  });
});
