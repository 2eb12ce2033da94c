/** How often the bootstrapper asks, over a curl that is a script. */
import { execa } from "execa";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";

const script = join(import.meta.dirname, "../../images/steward/children/bootstrapper");
/** Port 10248, which listens. */
const kubelet = "   0: 0100007F:2808 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n";
/** As k3s writes it. */
const kubeconfig = `apiVersion: v1
clusters:
- cluster:
    server: https://127.0.0.1:6443
    certificate-authority: /agent/server-ca.crt
  name: local
users:
- name: user
  user:
    client-certificate: /agent/client-kubelet.crt
    client-key: /agent/client-kubelet.key
`;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bootstrapper-"));
  for (const folder of ["bin", "report", "proc/net"]) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "kubeconfig"), kubeconfig);
  writeFileSync(join(root, "proc/net/tcp"), kubelet);
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Runs it for so long with a curl of these lines, which writes down the arguments of each call. */
async function run(
  seconds: number,
  curl: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ calls: readonly string[]; report: string }> {
  const calls = join(root, "calls");
  writeFileSync(join(root, "bin/curl"), `#!/bin/sh\necho "$*" >>${calls}\n${curl}\n`);
  chmodSync(join(root, "bin/curl"), 0o755);
  const running = execa("sh", [script, "server-1"], {
    env: {
      ...{
        PATH: `${join(root, "bin")}:${process.env["PATH"] ?? ""}`,
        TMPDIR: root,
        PROC: join(root, "proc"),
      },
      ...{ REPORT_DIRECTORY: join(root, "report"), KUBELET_KUBECONFIG: join(root, "kubeconfig") },
      ...environment,
    },
    reject: false,
  });
  await wait(seconds * 1000);
  running.kill("SIGTERM");
  await running;
  return {
    calls: existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : [],
    report: readFileSync(join(root, "report/ready"), "utf8"),
  };
}

test("it is Ready with the first event that says so", async () => {
  const { calls, report } = await run(1, `echo '{"type":"Ready","status":"True"}'`);
  expect(report).toMatch(/^STATE=ready$/m);
  expect(calls).toHaveLength(1);
});

test("it asks the server of the kubelet's kubeconfig with the credentials there", async () => {
  const { calls } = await run(1, `echo '{"type":"Ready","status":"True"}'`);
  expect(calls).toEqual([
    [
      "--silent --show-error --no-buffer --max-time 25 --cacert /agent/server-ca.crt",
      "--cert /agent/client-kubelet.crt --key /agent/client-kubelet.key",
      "https://127.0.0.1:6443/api/v1/nodes?watch=1&timeoutSeconds=20&fieldSelector=metadata.name%3Dserver-1",
    ].join(" "),
  ]);
});

test("it looks again, and reports a Node that is Ready no more", async () => {
  const lost = `{"conditions":[{"type":"Ready","status":"Unknown"}]}`;
  const { calls, report } = await run(
    2.5,
    `case "$*" in *watch=1*) echo '{"type":"Ready","status":"True"}' ;; *) echo '${lost}' ;; esac`,
    { WATCH_SECONDS: "1" },
  );
  expect(calls[1]).toMatch(/ https:\/\/127\.0\.0\.1:6443\/api\/v1\/nodes\/server-1\?pretty=false$/);
  expect(report).toMatch(/^STATE=waiting$/m);
  expect(report).toMatch(/^DETAIL=the Node is not Ready$/m);
});

test("a watch ends with the bootstrapper that no longer needs it", async () => {
  await run(0.5, `echo $$ >${join(root, "pid")}; echo '{"type":"Ready","status":"True"}'; exec sleep 20`);
  const pid = Number(readFileSync(join(root, "pid"), "utf8"));
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});

test("one that fails after two seconds is not asked again for four", async () => {
  const { calls, report } = await run(3.5, "sleep 2.1; exit 1");
  expect(report).toMatch(/^DETAIL=the kubelet answers; waiting for the Node to be Ready$/m);
  expect(calls).toHaveLength(1);
});

test("nobody is asked while there is no kubelet, also one that went away", async () => {
  const { calls, report } = await run(2, ": >$PROC/net/tcp; exit 1");
  expect(report).toMatch(/^DETAIL=waiting for the kubelet$/m);
  expect(calls).toHaveLength(1);
});
