/** The cluster is as the k3s hardening guide wants it, seen from outside: by kube-bench, by what is admitted, logged and stored. */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { initialNamespaces } from "../../../components/upstream/hardening.ts";
import { images } from "../../../components/upstream/images.ts";
import { cisExceptions } from "../../hardening/cis-exceptions.ts";
import { findings, kubeBench, told } from "../support/kube-bench.ts";
import { exec } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { etcdValue } from "../support/rehearsal-etcd.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const namespace = "hardening";
const logs = "/var/lib/rancher/k3s/server/logs";

const restrictedPod = {
  securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: "RuntimeDefault" } },
  container: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};
const privilegedPod = { securityContext: {}, container: { privileged: true } };

function manifest(name: string, where: string, kind: typeof restrictedPod | typeof privilegedPod): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: where },
    spec: {
      securityContext: kind.securityContext,
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "sleep",
          image: images.busybox,
          imagePullPolicy: "IfNotPresent",
          command: ["/bin/busybox", "sleep", "600"],
          securityContext: kind.container,
        },
      ],
    },
  });
}

async function compared(stack: RehearsedStack, node: string, targets?: readonly string[]): Promise<void> {
  const role = node.startsWith("server-") ? "servers" : "agents";
  const checks = await timed(`kube-bench on ${node}`, () => kubeBench(stack, node, targets));
  expect(checks.filter(({ status }) => status === "PASS").length).toBeGreaterThan(
    role === "servers" ? 50 : 8,
  );
  const reviewed = cisExceptions.filter(({ on }) => on === "all" || on === role).map(({ id }) => id);
  const found = findings(checks);
  const ids = found.map(({ test_number: id }) => id);
  expect(found.filter(({ test_number: id }) => !reviewed.includes(id)).map(told)).toEqual([]);
  expect(reviewed.filter((id) => !ids.includes(id))).toEqual([]);
}

async function auditLines(
  stack: RehearsedStack,
  server: string,
  needle: string,
): Promise<readonly AuditLine[]> {
  const text = await exec(stack.machine(server), [
    "sh",
    "-c",
    `grep -h -e "$1" ${logs}/*.log || true`,
    "sh",
    needle,
  ]);
  return text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as AuditLine] : []));
}

interface AuditLine {
  readonly level: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string; readonly name?: string };
}

interface Configz {
  readonly kubeletconfig: Readonly<Record<string, unknown>>;
}

export function rehearsalHardening(stack: RehearsedStack): void {
  const kubectl = (args: readonly string[], input?: string): Promise<string> =>
    stack.kubectl(args, { server: "server-1", ...(input === undefined ? {} : { input }) });

  test("kube-bench finds on a server and on an agent what was reviewed, no more and no less", async () => {
    // For the last test. The API server knows how much it has written itself, and looks at the file when it starts.
    const fill = `truncate --size=100M ${logs}/audit.log && systemctl restart --no-block k3s`;
    await exec(stack.machine("server-3"), ["sh", "-c", fill]);
    await Promise.all([compared(stack, "server-1"), compared(stack, "agent-1", ["node"])]);
  });

  test("what the profile cannot see is set: each running kubelet says so", async () => {
    for (const node of ["server-2", "agent-1"]) {
      const text = await kubectl(["get", "--raw", `/api/v1/nodes/${node}/proxy/configz`]);
      expect((JSON.parse(text) as Configz).kubeletconfig).toMatchObject({
        authentication: {
          anonymous: { enabled: false },
          webhook: { enabled: true },
          x509: { clientCAFile: "/var/lib/rancher/k3s/agent/client-ca.crt" },
        },
        authorization: { mode: "Webhook" },
        tlsCertFile: "/var/lib/rancher/k3s/agent/serving-kubelet.crt",
        tlsPrivateKeyFile: "/var/lib/rancher/k3s/agent/serving-kubelet.key",
        protectKernelDefaults: true,
        makeIPTablesUtilChains: true,
        streamingConnectionIdleTimeout: "5m0s",
        podPidsLimit: 4096,
        tlsMinVersion: "VersionTLS12",
      });
    }
  });

  test("a new namespace refuses a privileged pod and runs a restricted one; exempt ones take it", async () => {
    await kubectl(["create", "namespace", namespace]);
    const apply = (pod: string, ...more: string[]): Promise<string> =>
      kubectl(["create", "-f", "-", ...more], pod);
    await expect(apply(manifest("privileged", namespace, privilegedPod))).rejects.toThrow(
      /violates PodSecurity "restricted:latest"/,
    );
    await apply(manifest("restricted", namespace, restrictedPod));
    // Asked of admission alone: the pod itself is of no use.
    await apply(manifest("privileged", "kube-system", privilegedPod), "--dry-run=server");
    const label = "pod-security.kubernetes.io/enforce=privileged";
    await kubectl(["create", "namespace", `${namespace}-open`]);
    await kubectl(["label", "namespace", `${namespace}-open`, label]);
    await apply(manifest("privileged", `${namespace}-open`, privilegedPod), "--dry-run=server");
    await kubectl(["delete", "namespace", `${namespace}-open`, "--wait=false"]);
    await eventually("the restricted pod runs", 30, async () => {
      const phase = ["get", "pod", "restricted", "--namespace", namespace, "-o", "jsonpath={.status.phase}"];
      expect(await kubectl(phase)).toBe("Running");
    });
    for (const each of initialNamespaces) {
      const account = ["get", "serviceaccount", "default", "--namespace", each];
      const said = await kubectl([...account, "-o", "jsonpath={.automountServiceAccountToken}"]);
      expect([each, said]).toEqual([each, "false"]);
    }
  });

  test("who touched a Secret is in the audit log, what it holds is nowhere in the clear", async () => {
    const needle = randomBytes(18).toString("hex");
    const name = `needle-${randomBytes(4).toString("hex")}`;
    await kubectl([
      "create",
      "secret",
      "generic",
      name,
      "--namespace",
      namespace,
      `--from-literal=key=${needle}`,
    ]);
    await eventually("the request is in the log", 15, async () => {
      const lines = await auditLines(stack, "server-1", `"name":"${name}"`);
      const creation = lines.filter(
        ({ verb, objectRef }) => verb === "create" && objectRef?.resource === "secrets",
      );
      expect(creation).toHaveLength(1);
      expect(creation[0]).toMatchObject({ level: "Metadata", user: { username: "system:admin" } });
    });
    const encoded = Buffer.from(needle).toString("base64");
    for (const value of [needle, encoded]) expect(await auditLines(stack, "server-1", value)).toEqual([]);
    const stored = await etcdValue(stack, "server-1", `/registry/secrets/${namespace}/${name}`);
    expect(stored.subarray(0, 8).toString()).toBe("k8s:enc:");
    expect(stored.includes(needle)).toBe(false);
    await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  });

  test("a full audit log is rotated, for root alone to read", async () => {
    const machine = stack.machine("server-3");
    await eventually("the log is rotated", 60, async () => {
      const listed = await exec(machine, ["sh", "-c", `stat --format='%a %U %n' ${logs} ${logs}/*`]);
      expect(listed).toMatch(/^600 root \S+\/audit-\d{4}-\S+\.log$/m);
      expect(listed).toMatch(/^600 root \S+\/audit\.log$/m);
      expect(listed).toMatch(/^700 root \S+\/logs$/m);
    });
    await exec(machine, ["sh", "-c", `rm ${logs}/audit-*.log`]);
    await eventually("server-3 serves again", 60, async () => {
      expect((await stack.kubectl(["get", "--raw", "/readyz"], { server: "server-3" })).trim()).toBe("ok");
    });
  });
}
