import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InputError } from "../../cli/errors.ts";
import { prepareStack } from "../../cli/state.ts";
import { up } from "../../cli/verbs/up.ts";
import { FakeTailscaleApi } from "../provider/fake-tailscale-api.ts";
import { checkout, diagnostic, events, step, urn, withCluster } from "./bed.ts";

import { bed, ci, failure, once } from "./verb-support.ts";

describe("up", () => {
  test("makes the state folder for its owner alone and leaves the committed config as it is", async () => {
    const { context, calls } = withCluster(bed());
    const committed = readFileSync(join(checkout, "Pulumi.ci.yaml"), "utf8");
    await up(context, ci, { ...once, settings: ["agents=3"] });
    expect(readFileSync(join(checkout, "Pulumi.ci.yaml"), "utf8")).toBe(committed);
    const { paths } = context;
    expect(statSync(paths.state).mode & 0o777).toBe(0o700);
    expect(statSync(paths.passphrase).mode & 0o777).toBe(0o600);
    expect(readFileSync(paths.passphrase, "utf8")).toMatch(/^[\w-]{43}$/);
    const config = join(paths.config, "Pulumi.ci.yaml");
    expect(statSync(config).mode & 0o777).toBe(0o600);
    expect(readFileSync(config, "utf8")).toMatch(/homespan:agents: 3[\s\S]*encryptionsalt: v1:fake/);
    expect(calls()).toContainEqual(
      `${checkout}|up --yes --skip-preview --stack ci --config-file ${config} --json --non-interactive --color=never`,
    );
    expect(calls().filter((call) => call.includes("|stack "))).not.toContainEqual(
      expect.stringMatching(new RegExp(`^${checkout}\\|`)),
    );
  });

  test("keeps salt and passphrase from run to run, and says what of the config became different", async () => {
    const { context, said } = withCluster(bed());
    await up(context, ci, { ...once, settings: ["agents=3"] });
    const passphrase = readFileSync(context.paths.passphrase, "utf8");
    await up(context, ci, once);
    expect(readFileSync(context.paths.passphrase, "utf8")).toBe(passphrase);
    expect(readFileSync(join(context.paths.config, "Pulumi.ci.yaml"), "utf8")).toContain("v1:fake");
    expect(said).toContain("config since the last run: agents: 3 -> 2");
  });

  test("leaves no temporary file of a plugin, not even one of a run that was killed", async () => {
    const { context, folder } = withCluster(bed());
    mkdirSync(join(context.paths.temporary, "4000001"), { recursive: true });
    await up(context, ci, once);
    const made = readFileSync(join(folder, "calls.temporary"), "utf8").trim();
    expect(made).toMatch(new RegExp(`^${context.paths.temporary}/\\d+/kubeconfig`));
    expect(readdirSync(context.paths.temporary)).toEqual([]);
  });

  test("prints the node table and how to use kubectl", async () => {
    const { context, printed } = withCluster(bed());
    await up(context, ci, once);
    expect(printed.join("\n")).toMatch(/agent-1 +agent +home +100\.64\.0\.2 +Ready +v1\.35\.1\+k3s1/);
    expect(printed.join("\n")).toContain("./homespan kubectl get pods -A");
  });

  test("prints one JSON object under --json", async () => {
    const made = withCluster(bed({ json: true }));
    await up(made.context, ci, once);
    expect(made.printed).toHaveLength(1);
    expect(JSON.parse(made.printed[0]!)).toMatchObject({
      command: "up",
      stack: "ci",
      succeeded: true,
      nodes: [
        { name: "server-1", ready: true },
        { name: "agent-1", address: "100.64.0.2", version: "v1.35.1+k3s1" },
      ],
    });
  });

  test("refuses an unhealthy machine with all problems and creates nothing", async () => {
    const made = bed({ facts: { tun: false, missingCapabilities: ["CAP_SYS_ADMIN"], takenPorts: [6443] } });
    const error = await failure(up(made.context, ci, once));
    expect(error.exitCode).toBe(2);
    for (const name of ["CAP_SYS_ADMIN", "tun", "6443"]) expect(error.message).toContain(name);
    // Whose port it is was asked, no more.
    expect(made.calls().filter((call) => !/^podman\|(pod )?ps /.test(call))).toEqual([]);
    expect(existsSync(made.context.paths.state)).toBe(false);
  });

  test("the port that the stack itself publishes is no problem", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, once);
    const facts = { ...(await made.context.machine.probe(made.context, [])), takenPorts: [6443] };
    const asked: number[] = [];
    const machine = {
      ...made.context.machine,
      probe: async (_: unknown, ports: readonly number[]) => {
        asked.push(...ports);
        return { ...facts, takenPorts: facts.takenPorts.filter((port) => ports.includes(port)) };
      },
    };
    await up({ ...made.context, machine }, ci, once);
    expect(asked).toEqual([]);
  });

  test("ends with 2 and the program's own words when it refuses the config", async () => {
    const made = withCluster(bed());
    Object.assign(made.environment, {
      FAKE_EXIT: "255",
      FAKE_EVENTS: made.file(
        "events",
        events(
          diagnostic(
            "The configuration of stack ci has 1 problem:\n  - `servers` must be 1 or 3, got 4\n",
            "error",
          ),
        ),
      ),
    });
    const error = await failure(up(made.context, ci, once));
    expect(error).toBeInstanceOf(InputError);
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain("`servers` must be 1 or 3, got 4");
    expect(error.message).toContain("nothing was created");
  });

  test("names the last error of each resource and the stage of each node", async () => {
    const made = withCluster(bed());
    const membership = "homespan:index:Membership";
    Object.assign(made.environment, {
      FAKE_EXIT: "255",
      FAKE_NODES: "agent-1 homespan-ci-agent-1\n",
      FAKE_STAGES: made.file("failed.json", {
        node: "agent-1",
        stages: [
          {
            name: "tailnet",
            state: "failed",
            startedAt: "2026-01-01T00:00:00Z",
            attempts: 5,
            error: "key expired",
          },
        ],
      }),
      FAKE_EVENTS: made.file(
        "events",
        events(
          { resourcePreEvent: step("create", membership, "agent-1-membership") },
          diagnostic("first try failed", "error", urn(membership, "agent-1-membership")),
          diagnostic("agent-1 did not become Ready in 300 s", "error", urn(membership, "agent-1-membership")),
          { resOpFailedEvent: step("create", membership, "agent-1-membership") },
          diagnostic("update failed", "error"),
        ),
      ),
    });
    const error = await failure(up(made.context, ci, once));
    expect(error.exitCode).toBe(1);
    expect(error.message).toContain(
      "Membership agent-1-membership:\n    agent-1 did not become Ready in 300 s",
    );
    expect(error.message).not.toContain("first try failed");
    expect(error.message).toMatch(/agent-1: stage tailnet failed after .*, 5 attempts: key expired/);
    expect(error.message).toContain("fix: see podman logs homespan-ci-agent-1-tailscale");
  });

  test("a program that was killed is named: the engine has no other reason", async () => {
    const made = withCluster(bed());
    const killed = "an unhandled error occurred: Program was ended by SIGSEGV";
    const said = events(diagnostic(killed, "error"));
    Object.assign(made.environment, { FAKE_EXIT: "255", FAKE_EVENTS: made.file("events", said) });
    expect((await failure(up(made.context, ci, once))).message).toContain(killed);
  });

  test("a stack other than ci asks first, and needs --yes without a terminal", async () => {
    const made = withCluster(bed({ yes: false }));
    const error = await failure(up(made.context, { name: "pr-1", topology: "ci" }, once));
    expect(error.message).toContain("--yes");
    expect(made.calls().some((call) => call.includes("|up "))).toBe(false);
  });

  test("releases the lock of a killed pulumi and forgets its open operations", async () => {
    const made = withCluster(bed());
    const { context } = made;
    await prepareStack(context, ci, []);
    const folder = join(context.paths.backend, ".pulumi/locks/organization/homespan/ci");
    mkdirSync(folder, { recursive: true });
    const dead = deadPid();
    writeFileSync(join(folder, "a.json"), JSON.stringify({ pid: dead, hostname: hostname() }));
    writeFileSync(join(folder, "a.json.attrs"), "{}");
    writeFileSync(
      join(context.paths.backend, ".pulumi/stacks/homespan/ci.json"),
      JSON.stringify({
        checkpoint: { latest: { pending_operations: [{ type: "creating", resource: { urn: "urn:x" } }] } },
      }),
    );
    await up(context, ci, once);
    expect(readdirSync(folder)).toEqual([]);
    expect(made.said).toContain(`released the lock of a run that was killed (pid ${String(dead)})`);
    expect(readFileSync(`${made.environment["FAKE_LOG"]!}.import`, "utf8")).not.toContain(
      "pending_operations",
    );
  });

  test("takes a policy that a killed pulumi set for its own, when the tailnet has it", async () => {
    const tailnet = new FakeTailscaleApi();
    await tailnet.start();
    try {
      const made = withCluster(bed({ env: tailnet.withKey }));
      const { context } = made;
      await prepareStack(context, ci, []);
      const type = "tailscale:index/acl:Acl";
      const acl = { urn: `urn:pulumi:ci::homespan::${type}::p`, type, inputs: { acl: tailnet.policy } };
      const pending = { resources: [], pending_operations: [{ type: "creating", resource: acl }] };
      made.environment["FAKE_EXPORT"] = made.file("export.json", { version: 3, deployment: pending });
      writeFileSync(
        join(context.paths.backend, ".pulumi/stacks/homespan/ci.json"),
        JSON.stringify({ checkpoint: { latest: pending } }),
      );
      await up(context, ci, once);
      expect(tailnet.requests).toEqual(["GET /api/v2/tailnet/-/acl"]);
      const imported = JSON.parse(readFileSync(`${made.environment["FAKE_LOG"]!}.import`, "utf8")) as {
        readonly deployment: object;
      };
      expect(imported.deployment).toMatchObject({ resources: [{ urn: acl.urn, id: "acl" }] });
    } finally {
      tailnet.stop();
    }
  });

  test("does not touch the lock of a living pulumi", async () => {
    const { context } = withCluster(bed());
    await prepareStack(context, ci, []);
    const folder = join(context.paths.backend, ".pulumi/locks/organization/homespan/ci");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "a.json"), JSON.stringify({ pid: process.ppid, hostname: hostname() }));
    const error = await failure(up(context, ci, once));
    expect(error.message).toContain(`pulumi (pid ${String(process.ppid)}) is at work`);
    expect(readdirSync(folder)).toEqual(["a.json"]);
  });
});

function deadPid(): number {
  return Number(execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }));
}
