import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const hasCompiler = spawnSync("cc", ["--version"]).error === undefined;

describe.skipIf(!hasCompiler)("pause", () => {
  let folder: string;
  let program: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "homespan-pause-"));
    program = join(folder, "pause");
    const source = join(import.meta.dirname, "../../images/node/pause/pause.c");
    execFileSync("cc", ["-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(["SIGTERM", "SIGINT"] as const)("waits, and leaves on %s", async (signal) => {
    const pause = spawn(program, { stdio: "ignore" });
    await setTimeout(50);
    expect(pause.exitCode).toBeNull();
    pause.kill(signal);
    expect(await once(pause, "exit")).toEqual([0, null]);
  });

  it("reaps the children it is given", async () => {
    // The child is started by the shell, which then becomes pause: pause is its parent when it ends.
    const pause = spawn("sh", ["-c", `sleep 0.1 & exec ${program}`], { stdio: "ignore" });
    await setTimeout(400);
    const children = spawnSync("ps", ["--ppid", String(pause.pid), "-o", "stat="], {
      encoding: "utf8",
    }).stdout;
    expect(children.trim()).toBe("");
    pause.kill("SIGTERM");
    await once(pause, "exit");
  });
});
