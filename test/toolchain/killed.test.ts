/** What a run leaves that was killed while it made a tool, and what the next one makes of it. */
import { existsSync, readFileSync, readdirSync, utimesSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { installTool } from "../../toolchain/install.ts";
import { processMark } from "../../toolchain/process.ts";
import { fakeGo, fakePin, machine, recorder } from "./support/fixtures.ts";
import { temporaryFolder } from "./support/folders.ts";
import { startReleaseServer } from "./support/server.ts";

const script = fileURLToPath(new URL("support/install-once.ts", import.meta.url));
/** Less than the 30 s after which a lock that nobody renews is stale. */
const AT_ONCE_MS = 20_000;

// Elsewhere a lock does not tell who holds it.
describe.runIf(processMark() !== undefined)("after a run that was killed", () => {
  let cache: string;
  beforeEach(() => {
    cache = temporaryFolder();
  });
  const inTools = (): string[] => readdirSync(join(cache, "tools", "tool")).sort();
  const run = (...args: string[]) =>
    execa(process.execPath, ["--disable-warning=ExperimentalWarning", script, cache, ...args], {
      // A process group of its own, so that what it starts can be killed with it.
      detached: true,
      reject: false,
    });

  /** Kills the run, and all it started, as soon as it is in the middle of its work. */
  async function kill(running: ReturnType<typeof run>, inTheMiddle: () => boolean): Promise<void> {
    try {
      await vi.waitUntil(inTheMiddle, { timeout: 30_000, interval: 20 });
    } finally {
      process.kill(-running.pid!, "SIGKILL");
    }
    expect((await running).signal).toBe("SIGKILL");
    expect(inTools()).toEqual([expect.stringMatching(/^\.draft-/)]);
    expect(readdirSync(join(cache, "locks"))).toContain("tool-tool.lock");
  }

  /** The next run does not wait, and leaves nothing but the tool. */
  async function goOn(...args: string[]): Promise<void> {
    const began = Date.now();
    const { stdout, stderr } = await run(...args);
    expect(stderr).toBe("");
    expect(Date.now() - began).toBeLessThan(AT_ONCE_MS);
    expect(inTools().map((name) => join(cache, "tools", "tool", name))).toEqual([stdout]);
    expect(readdirSync(join(cache, "locks"))).toEqual([]);
  }

  it("in a build, the next one builds at once and removes its draft", async () => {
    const bin = await fakeGo(cache);
    const endless = join(cache, "endless");
    const began = join(cache, "build-began");
    await mkdir(endless);
    await writeFile(
      join(endless, "go"),
      `#!/bin/sh\n[ "$1" != build ] || { : >'${began}'; exec sleep 600; }\nexec '${bin}/go' "$@"\n`,
    );
    await chmod(join(endless, "go"), 0o755);
    await kill(run(endless), () => existsSync(began));
    await goOn(bin);
    expect(readFileSync(join(cache, "go-calls"), "utf8").match(/^build/gm)).toHaveLength(1);
  });

  it("in a download, the next one goes on with it at once and removes its draft", async () => {
    const server = await startReleaseServer(Buffer.alloc(1000, "tool"), "tool");
    try {
      server.behaviour = { kind: "stalls" };
      const downloads = join(cache, "downloads");
      const part = (): string => readdirSync(downloads).find((name) => name.endsWith(".part")) ?? "none";
      await kill(
        run("/nowhere", server.url, server.sums),
        () => existsSync(downloads) && part() !== "none" && readFileSync(join(downloads, part())).length > 0,
      );
      server.behaviour = { kind: "good" };
      await goOn("/nowhere", server.url, server.sums);
      expect(server.ranges).toEqual(["", "bytes=10-"]);
    } finally {
      await server.close();
    }
  });

  it("removes no draft whose maker may live, unless it is more than a day old", async () => {
    const [, started = "", space = ""] = processMark()!.split(".");
    const drafts = {
      living: `.draft-${processMark()!}-1`,
      gone: `.draft-${String(process.pid)}.1.${space}-2`,
      elsewhere: `.draft-1.${started}.0123456789ab-3`,
      unknown: ".draft-unknown-4",
      old: ".draft-unknown-5",
    };
    for (const name of Object.values(drafts)) {
      await mkdir(join(cache, "tools", "tool", name), { recursive: true });
    }
    const yesterday = Date.now() / 1000 - 25 * 60 * 60;
    utimesSync(join(cache, "tools", "tool", drafts.old), yesterday, yesterday);
    const environment = { PATH: `${await fakeGo(cache)}:/usr/bin:/bin` };
    await installTool(fakePin(), "modules", { cache, machine, reporter: recorder(), environment });
    const left = inTools().filter((name) => name.startsWith(".draft-"));
    expect(left).toEqual([drafts.living, drafts.elsewhere, drafts.unknown].sort());
  });
});
