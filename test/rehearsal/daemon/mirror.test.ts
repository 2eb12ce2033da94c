/** The programs that machines of a rehearsal download. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Programs, artifactsFile, makeArtifacts } from "../../../rehearsal/daemon/artifacts.ts";
import { mirrorPath, mirrorServer } from "../../../rehearsal/daemon/mirror.ts";

let folder: string;
let programs: Programs;
let server: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "homespan-mirror-"));
  await mkdir(join(folder, "tools"));
  const program = async (name: string, version: string) => {
    const path = join(folder, "tools", name);
    await writeFile(path, `#!/bin/sh\necho ${name}\n`, { mode: 0o755 });
    return { path, version };
  };
  programs = {
    k3s: await program("k3s", "v1.35.1+k3s1"),
    tailscale: await program("tailscale", "1.96.0"),
    tailscaled: await program("tailscaled", "1.96.0"),
  };
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

const make = () => makeArtifacts(programs, "amd64", join(folder, "cache"));
const sum = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

it("are made once, in the layout their projects publish", async () => {
  const [k3s, tailscale] = await make();
  expect(k3s).toMatchObject({ name: "k3s", fileName: "k3s", file: programs.k3s.path });
  expect(k3s?.sha256).toBe(sum(await readFile(programs.k3s.path)));
  expect(tailscale?.fileName).toBe("tailscale_1.96.0_amd64.tgz");
  expect(tailscale?.sha256).toBe(sum(await readFile(tailscale?.file ?? "")));
  const listed = (await execa("tar", ["-tvzf", tailscale?.file ?? ""])).stdout.split("\n");
  expect(listed.map((line) => line.split(/\s+/).at(-1))).toEqual([
    "tailscale_1.96.0_amd64/tailscale",
    "tailscale_1.96.0_amd64/tailscaled",
  ]);
  expect(listed.every((line) => line.startsWith("-rwxr-xr-x"))).toBe(true);

  const { mtimeMs } = await stat(tailscale?.file ?? "");
  expect(await make()).toEqual([k3s, tailscale]);
  expect((await stat(tailscale?.file ?? "")).mtimeMs).toBe(mtimeMs);
  await rm(tailscale?.file ?? "");
  expect(await make()).toEqual([k3s, tailscale]);
  await utimes(programs.tailscaled.path, 0, 0);
  const [, other] = await make();
  // Another archive with the same content has the same sum.
  expect([other?.file === tailscale?.file, other?.sha256]).toEqual([false, tailscale?.sha256]);
});

it("are served whole and from where a download broke off, to the machines and to nobody else", async () => {
  const artifacts = await make();
  server = mirrorServer(artifacts, ["127.0.0.1"]);
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  for (const artifact of artifacts) {
    const response = await fetch(base + mirrorPath(artifact));
    expect(sum(new Uint8Array(await response.arrayBuffer()))).toBe(artifact.sha256);
  }
  const [k3s] = artifacts;
  const url = base + mirrorPath(k3s!);
  const rest = await fetch(url, { headers: { range: "bytes=10-" } });
  expect([rest.status, await rest.text()]).toEqual([206, (await readFile(k3s!.file, "utf8")).slice(10)]);
  expect((await fetch(url, { headers: { range: "bytes=9999-" } })).status).toBe(416);
  const head = await fetch(url, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length")]).toEqual([
    200,
    String((await stat(k3s!.file)).size),
  ]);
  expect((await fetch(url, { method: "POST" })).status).toBe(405);
  expect((await fetch(`${base}/../tools/k3s`)).status).toBe(404);
  // As boot/machine/artifacts.sh fetches.
  const part = join(folder, "part");
  await writeFile(part, (await readFile(k3s!.file)).subarray(0, 7));
  await execa("curl", ["--fail", "--silent", "--continue-at", "-", "--output", part, "--", url]);
  expect(sum(await readFile(part))).toBe(k3s!.sha256);
  await expect(fetch(url.replace("127.0.0.1", "127.0.0.2"))).rejects.toThrow();
});

it("are named for HOMESPAN_ARTIFACTS", async () => {
  const artifacts = await make();
  const text = artifactsFile(artifacts, (artifact) => [`http://10.1.0.1:8080${mirrorPath(artifact)}`]);
  expect(JSON.parse(text)).toEqual({
    k3s: {
      amd64: {
        urls: [`http://10.1.0.1:8080/${artifacts[0]!.sha256.slice(0, 16)}/k3s`],
        sha256: artifacts[0]!.sha256,
      },
    },
    tailscale: {
      amd64: {
        urls: [`http://10.1.0.1:8080/${artifacts[1]!.sha256.slice(0, 16)}/tailscale_1.96.0_amd64.tgz`],
        sha256: artifacts[1]!.sha256,
      },
    },
  });
});
