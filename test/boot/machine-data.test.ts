import { join } from "node:path";
import { describe, test } from "vitest";
import { writeArchive } from "../../provider/effects/archive.ts";
import { Machine } from "./machine.ts";

const size = 64 * 1024 ** 3;

/** Waits for a data disk; the boot sequence has nothing to do beyond it. */
function wanting(...disks: readonly [name: string, description: string, content: string][]): Machine {
  const node = new Machine().put("etc/homespan/machine.conf", "DATA_DISK=wanted\n");
  for (const [name, description, content] of disks) {
    node.put(`fake/disks/${name}`, `${description}\n`).put(`fake/content/${name}`, content);
  }
  return node;
}
const empty = `disk 0 ${size} - -`;
// Fewer bytes than are looked at would count as a difference.
const zeros = "\0".repeat(5000);

function formatted(node: Machine): string[] {
  return node.log().filter((line) => line.startsWith("mkfs"));
}

describe.concurrent("the data disk", () => {
  test("the only empty disk is formatted once, labelled and mounted before anything is written", async ({
    expect,
  }) => {
    using node = wanting(["nvme1", empty, zeros], ["nvme0", `disk 0 ${size} root ext4`, "x"]);
    await node.boot(0);
    const device = join(node.fake, "content/nvme1");
    expect(formatted(node)).toEqual([`mkfs.ext4 -q -m 0 -L homespan-data ${device}`]);
    expect(node.read("fake/mounts").split("\n")[0]).toBe(node.data);
    expect(node.has("var/lib/homespan/formatting")).toBe(false);
    expect(node.has("run/homespan/data-ready")).toBe(true);

    // After a restart of the machine it is found by its label.
    node.put("fake/mounts", "").put("fake/proc/mounts", "");
    await node.boot(0);
    expect(formatted(node)).toEqual([]);
    expect(node.stages()["tailnet"]?.error).toContain("holds files that a mounted disk would hide");
  });

  test.for([
    ["a file system without the label", `disk 0 ${size} - ext4`, zeros],
    ["data that no program knows", empty, `\0x${zeros}`],
    ["a disk that cannot be written", `disk 1 ${size} - -`, zeros],
    ["memory that looks like a disk", `disk 0 0 - -`, ""],
    ["a disc drive", `rom 0 ${size} - -`, zeros],
  ] as const)("never formats %s", async ([, description, content], { expect }) => {
    using node = wanting(["a", description, content]);
    await node.boot(0);
    expect(formatted(node)).toEqual([]);
    expect(node.has("run/homespan/data-ready") || node.has("data")).toBe(false);
    expect(node.stages()["tailnet"]?.error).toBe(
      "there is no disk with the label homespan-data, and no empty one (yet)",
    );
  });

  test("never formats a disk with partitions, nor chooses between two empty ones", async ({ expect }) => {
    using parted = wanting(["a", empty, zeros]).put("fake/parts/a", "a\na1\n");
    await parted.boot(0);
    expect(formatted(parted)).toEqual([]);

    using two = wanting(["a", empty, zeros], ["b", empty, zeros]);
    await two.boot(0);
    expect(formatted(two)).toEqual([]);
    expect(two.stages()["tailnet"]?.error).toContain("more than one is empty");
  });

  test("never touches the disks of a container's host", async ({ expect }) => {
    using node = wanting(["a", `disk 0 ${size} homespan-data ext4`, zeros]).put("fake/container", "");
    await node.boot(0);
    expect(node.log().filter((line) => /^(mkfs|mount )/.test(line))).toEqual([]);
    expect(node.stages()["tailnet"]?.error).toContain("must be mounted from outside");
  });

  test("cut off while it formats, it formats the same disk again", async ({ expect }) => {
    using node = wanting(["a", empty, zeros]).put("fake/dies/mkfs", "");
    await node.boot(0);
    expect(node.has("var/lib/homespan/formatting")).toBe(true);
    expect(node.read("fake/content/a")).toBe("junk\n");

    node.put("fake/disks/b", `${empty}\n`).put("fake/content/b", "other junk").put("fake/dies/mkfs", "");
    node.put("bin/nothing", "");
    await node.boot(0);
    expect(formatted(node).every((line) => line.endsWith("/a"))).toBe(true);
    expect(formatted(node)).not.toEqual([]);
  });
});

test("files are refused until the data directory is there, for which the first ones wait", async ({
  expect,
}) => {
  using node = wanting().put("fake/end", "1000000\n");
  for (const script of ["receive", "checksums", "remove"]) {
    const refused = await node.call(script, ["join.conf"]);
    expect(refused).toMatchObject({ exitCode: 75, stderr: `${script}: the data directory is not ready yet` });
  }
  expect(node.acts()).toEqual([]);
  expect(node.read("fake/uptime")).toBe("1005.00 0\n");
  node.put("run/homespan/data-ready", "").put("data/join.conf", "one");
  expect((await node.call("checksums", ["join.conf", "x"])).stdout).toMatch(
    /^- {2}x\n7692c3[0-9a-f]+ {2}join\.conf$/,
  );
  expect(node.acts()).toEqual([]);

  // What changed a file asks for the sequence itself, even when it ended in the middle.
  const file = { path: "join.conf", content: "two", mode: 0o644 };
  expect((await node.call("receive", [], await writeArchive([file]))).exitCode).toBe(0);
  expect(node.read("data/join.conf")).toBe("two");
  expect(node.acts()).toEqual(["restart homespan-again"]);
  expect((await node.call("receive", [], new TextEncoder().encode("no tar"))).exitCode).toBe(1);
  await node.call("remove", ["join.conf"]);
  expect(node.has("data/join.conf")).toBe(false);
  expect(node.acts()).toHaveLength(3);
});
