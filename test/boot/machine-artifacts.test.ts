import { execa } from "execa";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, vi } from "vitest";
import { Machine, sha256 } from "./machine.ts";

const k3s = `#!/bin/sh\n# ${"k3s ".repeat(100)}\n`;

/** Has k3s to fetch from `urls`. */
function fetching(urls = "http://mirror/k3s", sum = sha256(k3s)): Machine {
  return new Machine()
    .put("fake/mirror/k3s", k3s)
    .put(
      "data/artifacts.conf",
      `K3S_AMD64_URL=${urls}\nK3S_AMD64_SHA256=${sum}\nK3S_PATH=/usr/local/bin/k3s\n`,
    );
}

const script = `
BOOT_DATA=$HOMESPAN_ROOT/data MACHINE_ROOT=$HOMESPAN_ROOT MACHINE_LIB=$HOMESPAN_ROOT/usr/lib/homespan MACHINE_ETC=$HOMESPAN_ROOT/etc/homespan MACHINE_RUN=$HOMESPAN_ROOT/run/homespan MACHINE_STATE=$HOMESPAN_ROOT/var/lib/homespan
. "$HOMESPAN_ROOT/usr/lib/homespan/boot/wait.sh"
. "$HOMESPAN_ROOT/usr/lib/homespan/machine/artifacts.sh"
for name in "$@"; do
  if artifact_ensure "$name"; then echo "$ARTIFACT_INSTALLED"; else echo "$BOOT_ERROR"; fi
done
`;

async function ensure(node: Machine, ...names: readonly string[]): Promise<string> {
  node.put("ensure", script);
  return (await node.sh(join(node.root, "ensure"), names)).stdout;
}

function leftovers(node: Machine): string[] {
  return readdirSync(join(node.root, "usr/local/bin")).filter((name) => name.startsWith("."));
}

/** A link is moved away first: what is put in its place would be written through it. */
function beforeEachDownload(node: Machine, command: string): void {
  mkdirSync(join(node.root, "plain"));
  renameSync(join(node.root, "bin/curl"), join(node.root, "plain/curl"));
  node.put("bin/curl", `#!/bin/sh\n${command}\nexec "${node.root}/plain/curl" "$@"\n`, 0o755);
}

describe.concurrent("artifacts", () => {
  test("are fetched, checked and installed once", async ({ expect }) => {
    using node = fetching();
    expect(await ensure(node, "K3S", "K3S")).toBe("yes\nno");
    expect(node.read("usr/local/bin/k3s")).toBe(k3s);
    expect(statSync(join(node.root, "usr/local/bin/k3s")).mode & 0o777).toBe(0o755);
    expect(leftovers(node)).toEqual([]);
    expect(node.log().filter((line) => line.startsWith("curl"))).toHaveLength(1);

    // What was changed on the machine is put right.
    node.put("usr/local/bin/k3s", "changed");
    expect(await ensure(node, "K3S")).toBe("yes");
    expect(node.read("usr/local/bin/k3s")).toBe(k3s);
  });

  test("are not summed again as long as they are the same files", async ({ expect }) => {
    using node = fetching();
    // Counts, and sums.
    node.put("bin/sha256sum", `#!/bin/sh\necho >>"${node.root}/sums"\nexec /usr/bin/sha256sum "$@"\n`, 0o755);
    const sums = (): number => node.read("sums").length;
    expect(await ensure(node, "K3S")).toBe("yes");
    const first = sums();
    expect(await ensure(node, "K3S", "K3S")).toBe("no\nno");
    expect(sums()).toBe(first);
    // Another start of the machine.
    rmSync(join(node.root, "run/homespan/artifacts"), { recursive: true });
    expect(await ensure(node, "K3S", "K3S")).toBe("no\nno");
    expect(sums()).toBe(first + 1);
    // As long as it was, and as old.
    const path = join(node.root, "usr/local/bin/k3s");
    const { atime, mtime } = statSync(path);
    writeFileSync(path, k3s.replace("k3s", "k4s"));
    utimesSync(path, atime, mtime);
    expect(await ensure(node, "K3S")).toBe("yes");
    expect(node.read("usr/local/bin/k3s")).toBe(k3s);
  });

  test("another sum is looked for in the files that are there", async ({ expect }) => {
    using node = fetching();
    expect(await ensure(node, "K3S")).toBe("yes");
    const other = k3s.toUpperCase();
    node.put("fake/mirror/k3s", other);
    const conf = node.read("data/artifacts.conf").replace(sha256(k3s), sha256(other));
    node.put("data/artifacts.conf", conf);
    expect(await ensure(node, "K3S", "K3S")).toBe("yes\nno");
    expect(node.read("usr/local/bin/k3s")).toBe(other);
  });

  test("one that came with the machine is used", async ({ expect }) => {
    using node = fetching().put("usr/local/bin/k3s", k3s, 0o755);
    expect(await ensure(node, "K3S")).toBe("no");
    expect(node.log().filter((line) => line.startsWith("curl"))).toEqual([]);
  });

  test("a wrong sum is refused, and names both", async ({ expect }) => {
    using node = fetching("http://mirror/k3s", sha256("other")).put("usr/local/bin/k3s", "former", 0o755);
    expect(await ensure(node, "K3S")).toBe(
      `http://mirror/k3s must have the SHA-256 sum ${sha256("other")}, got ${sha256(k3s)}`,
    );
    expect(node.read("usr/local/bin/k3s")).toBe("former");
    expect(leftovers(node)).toEqual([]);
  });

  test("a cut-off download is continued where it ended", async ({ expect }) => {
    using node = fetching().put("fake/cut/k3s", "100\n");
    expect(await ensure(node, "K3S", "K3S")).toBe(
      "http://mirror/k3s: curl: (18) transfer closed with outstanding read data remaining\nyes",
    );
    expect(node.log().filter((line) => line.startsWith("given"))).toEqual(["given from 100"]);
    expect(node.read("usr/local/bin/k3s")).toBe(k3s);
  });

  test("places are tried in turn", async ({ expect }) => {
    using node = fetching("http://mirror/missing http://mirror/k3s");
    expect(await ensure(node, "K3S")).toBe("yes");
    using none = fetching("http://mirror/missing file:///etc/passwd");
    expect(await ensure(none, "K3S")).toBe(
      "http://mirror/missing: curl: (22) The requested URL returned error: 404; " +
        'a URL in artifacts.conf must begin with https:// or http://, got "file:///etc/passwd"',
    );
  });

  test("what artifacts.conf lacks is named", async ({ expect }) => {
    using node = fetching("http://mirror/k3s", "abc");
    expect(await ensure(node, "K3S", "TAILSCALE")).toBe(
      '`K3S_AMD64_SHA256` must be 64 hexadecimal digits, got "abc"\n`TAILSCALE_AMD64_URL` must be set in artifacts.conf',
    );
  });

  test("of an archive the named files alone are installed", async ({ expect }) => {
    using node = await new Machine().seeded().tailscale();
    expect(await ensure(node, "TAILSCALE", "TAILSCALE")).toBe("yes\nno");
    expect(readdirSync(join(node.root, "usr/local/bin")).sort()).toEqual(["tailscale", "tailscaled"]);
    node.put("usr/local/bin/tailscaled", "changed");
    expect(await ensure(node, "TAILSCALE")).toBe("yes");
    expect(node.read("usr/local/bin/tailscaled")).toBe("#!/bin/sh\n");
  });

  test("are fetched once, by whoever comes first", async ({ expect }) => {
    using node = fetching();
    // Both find it missing before either has it.
    beforeEachDownload(node, "/bin/sleep 0.5");
    const both = [ensure(node, "K3S"), node.call("machine/fetch")] as const;
    await Promise.all(both);
    expect(node.log().filter((line) => line.startsWith("given"))).toEqual(["given from 0"]);
    expect(node.read("usr/local/bin/k3s")).toBe(k3s);
    expect(leftovers(node)).toEqual([]);
  });

  test("that are just being put in place are not summed by who waits for them", async ({ expect }) => {
    using node = fetching();
    node.put("bin/sha256sum", `#!/bin/sh\necho >>"${node.root}/sums"\nexec /usr/bin/sha256sum "$@"\n`, 0o755);
    await ensure(node, "K3S");
    const first = node.read("sums");
    const [note, lock] = ["K3S", "K3S.lock"].map((name) => join(node.root, "run/homespan/artifacts", name));
    renameSync(note!, `${note!}.kept`);
    // As fetch between the move to its place and the note.
    const held = execa("flock", [lock!, "sh", "-c", `echo held; sleep 0.5; mv ${note!}.kept ${note!}`]);
    await once(held.stdout, "data");
    expect(await ensure(node, "K3S")).toBe("no");
    await held;
    expect(node.read("sums")).toBe(first);
  });

  test("of an archive can be used while what is in it is summed, and are there again if that was cut off", async ({
    expect,
  }) => {
    using node = await new Machine().put("etc/homespan/artifacts.conf", "").tailscale();
    // Until it is cut off, or the test has failed.
    const wait = `until [ -e "${node.root}/cut" ] || [ ! -e "${node.root}" ]; do /bin/sleep 0.05; done; exit 1`;
    const sums = `#!/bin/sh\ncase "$*" in *tailscaled*) ${wait} ;; esac\nexec /usr/bin/sha256sum "$@"\n`;
    node.put("bin/sha256sum", sums, 0o755);
    const fetch = node.call("machine/fetch");
    await vi.waitFor(() => {
      expect(node.has("run/homespan/artifacts/TAILSCALE")).toBe(true);
    }, 10_000);
    expect(await ensure(node, "TAILSCALE")).toBe("no");
    node.put("cut", "");
    await fetch;
    // Another start of the machine.
    rmSync(join(node.root, "run/homespan"), { recursive: true });
    rmSync(join(node.root, "bin/sha256sum"));
    node.put("fake/log", "");
    expect(await ensure(node, "TAILSCALE", "TAILSCALE")).toBe("yes\nno");
    expect(node.log().filter((line) => line.startsWith("curl"))).toEqual([]);
    expect(leftovers(node)).toEqual([]);
  });

  test("are not put in the place of what was named meanwhile", async ({ expect }) => {
    using node = fetching();
    const another = "K3S_AMD64_URL=http://mirror/other\nK3S_AMD64_SHA256=".concat("0".repeat(64));
    node.put("another", `${another}\nK3S_PATH=/usr/local/bin/k3s\n`);
    const delivered = `mv "${node.root}/another" "${node.root}/data/artifacts.conf"`;
    beforeEachDownload(node, delivered);
    expect(await ensure(node, "K3S")).toBe("artifacts.conf has named another K3S meanwhile");
    expect(node.has("usr/local/bin/k3s")).toBe(false);
  });

  test("what they are is one text, wherever it is written: a key counts where it is found first", async ({
    expect,
  }) => {
    using node = new Machine();
    const text = async (): Promise<string> => {
      await node
        .put("etc/homespan/artifacts.conf", "K3S_PATH=/laid\nK3S_AMD64_URL=one\n")
        .call("machine/fetch");
      return node.read("run/homespan/fetching");
    };
    const laid = await text();
    expect(laid).toBe("K3S_PATH=/laid\nK3S_AMD64_URL=one\n");
    node.put("data/artifacts.conf", laid);
    expect(await text()).toBe(laid);
    node.put("data/artifacts.conf", "K3S_AMD64_URL=two\nOTHER=x");
    expect(await text()).toBe("K3S_AMD64_URL=two\nOTHER=x\nK3S_PATH=/laid\n");
  });

  test("fetch says what it cannot have, and leaves a Tailscale alone that may run", async ({ expect }) => {
    using node = await fetching("http://mirror/missing").put("etc/homespan/artifacts.conf", "").tailscale();
    const first = await node.call("machine/fetch");
    expect(first.exitCode).toBe(0);
    expect(node.read("run/homespan/fetching")).toBe(
      node.read("data/artifacts.conf") + node.read("etc/homespan/artifacts.conf"),
    );
    expect(first.stderr).toContain("homespan: http://mirror/missing: ");
    expect(node.has("usr/local/bin/tailscaled")).toBe(true);
    node.put("usr/local/bin/tailscaled", "another").put("fake/log", "");
    await node.call("machine/fetch");
    expect(node.read("usr/local/bin/tailscaled")).toBe("another");
  });
});
