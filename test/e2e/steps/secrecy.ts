/** No secret value is anywhere it could be read by someone who may not. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { Cluster } from "../support/cluster.ts";
import { podman } from "../support/podman.ts";
import { timed } from "../support/report.ts";
import { collectSecrets, findings, placesToSearch } from "../support/secrets.ts";
import type { Secrets } from "../support/secrets.ts";

const nodes = ["agent-1", "agent-2", "server-1"];

export function secrecy(cluster: Cluster): void {
  let secrets: Secrets = new Map();

  test("has secrets to look for: in the state, and on the nodes", async () => {
    secrets = await collectSecrets(cluster, nodes);
    const origins = new Set(secrets.values());
    const kinds = [/^state.*oken/, /^state.*kubeconfig/, /^state.*[kK]ey/, /agent-token$/, /node\/password$/];
    for (const kind of kinds)
      expect(
        [...origins].some((origin) => kind.test(origin)),
        String(kind),
      ).toBe(true);
    expect(secrets.size).toBeGreaterThan(20);
  });

  test("finds a planted secret in arguments, environments, containers and files", async () => {
    const canary = randomBytes(24).toString("hex");
    const container = `homespan-${cluster.name}-canary`;
    const file = join(cluster.state, "logs", "canary.log");
    const argument = spawn("sh", ["-c", "sleep 60", canary], { stdio: "ignore" });
    const variable = spawn("sleep", ["60"], { stdio: "ignore", env: { CANARY: canary } });
    try {
      mkdirSync(join(cluster.state, "logs"), { recursive: true });
      writeFileSync(file, canary);
      const image = "docker.io/library/busybox:1.36";
      await podman(["create", "--name", container, "--env", `CANARY=${canary}`, image, "true"]);
      const found = findings(new Map([[canary, "canary"]]), await placesToSearch(cluster, nodes));
      for (const place of [
        `arguments of process ${String(argument.pid)}`,
        `environment of process ${String(variable.pid)}`,
        `inspect of ${container}`,
        file,
      ]) {
        expect(found).toContain(`${place}: canary`);
      }
    } finally {
      argument.kill("SIGKILL");
      variable.kill("SIGKILL");
      rmSync(file, { force: true });
      await podman(["rm", "--force", container], { mayFail: true });
    }
  });

  test("finds none of the cluster's", async () => {
    await timed("search for all secret values", async () => {
      expect(findings(secrets, await placesToSearch(cluster, nodes)).join("\n")).toBe("");
    });
  });
}
