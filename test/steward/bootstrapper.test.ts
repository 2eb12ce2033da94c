/** How often the bootstrapper asks, over a kubectl that is a script. */
import { execa } from "execa";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";

const script = join(import.meta.dirname, "../../images/steward/children/bootstrapper");
/** Port 10248, which listens. */
const kubelet = "   0: 0100007F:2808 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n";
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bootstrapper-"));
  for (const folder of ["bin", "report", "proc/net"]) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "kubeconfig"), "kubeconfig");
  writeFileSync(join(root, "proc/net/tcp"), kubelet);
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Runs it for so long with a kubectl of these lines, which writes down each call. */
async function run(seconds: number, kubectl: string): Promise<{ calls: number; report: string }> {
  const calls = join(root, "calls");
  writeFileSync(join(root, "bin/kubectl"), `#!/bin/sh\necho >>${calls}\n${kubectl}\n`);
  chmodSync(join(root, "bin/kubectl"), 0o755);
  const running = execa("sh", [script, "server-1"], {
    env: {
      ...{
        PATH: `${join(root, "bin")}:${process.env["PATH"] ?? ""}`,
        TMPDIR: root,
        PROC: join(root, "proc"),
      },
      ...{ REPORT_DIRECTORY: join(root, "report"), KUBELET_KUBECONFIG: join(root, "kubeconfig") },
    },
    reject: false,
  });
  await wait(seconds * 1000);
  running.kill("SIGTERM");
  await running;
  return {
    calls: existsSync(calls) ? readFileSync(calls, "utf8").length : 0,
    report: readFileSync(join(root, "report/ready"), "utf8"),
  };
}

test("it is Ready with the first event that says so", async () => {
  const { calls, report } = await run(1, `echo '{"type":"Ready","status":"True"}'`);
  expect(report).toMatch(/^STATE=ready$/m);
  expect(calls).toBe(1);
});

test("one that fails after two seconds is not started again for four, as on a slow machine its start takes that long", async () => {
  const { calls, report } = await run(3.5, "sleep 2.1; exit 1");
  expect(report).toMatch(/^DETAIL=the kubelet answers; waiting for the Node to be Ready$/m);
  expect(calls).toBe(1);
});

test("nobody is asked while there is no kubelet, also one that went away", async () => {
  const { calls, report } = await run(2, ": >$PROC/net/tcp; exit 1");
  expect(report).toMatch(/^DETAIL=waiting for the kubelet$/m);
  expect(calls).toBe(1);
});
