import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { resolveStack } from "../../cli/stack.ts";
import { prepareStack } from "../../cli/state.ts";
import { destroy } from "../../cli/verbs/destroy.ts";
import { doctor } from "../../cli/verbs/doctor.ts";
import { env } from "../../cli/verbs/env.ts";
import { kubeconfig } from "../../cli/verbs/kubeconfig.ts";
import { kubectl } from "../../cli/verbs/kubectl.ts";
import { recreate } from "../../cli/verbs/recreate.ts";
import { render } from "../../cli/verbs/render.ts";
import { status } from "../../cli/verbs/status.ts";
import { checkout, diagnostic, events, resourcesOfCi, step, urn, withCluster } from "./bed.ts";

import { bed, ci, failure, once } from "./verb-support.ts";

describe("destroy", () => {
  test("of a stack that does not exist says so and leaves nothing", async () => {
    const made = bed();
    await destroy(made.context, ci, once);
    expect(made.printed[0]).toContain("stack ci does not exist; nothing to do");
    expect(existsSync(made.context.paths.state)).toBe(false);
  });

  test("removes the stack's state, and with the last stack the whole folder", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    await prepareStack(made.context, { name: "pr-1", topology: "ci" }, []);
    await destroy(made.context, ci, once);
    expect(existsSync(join(made.context.paths.config, "Pulumi.ci.yaml"))).toBe(false);
    expect(existsSync(made.context.paths.passphrase)).toBe(true);
    await destroy(made.context, { name: "pr-1", topology: "ci" }, once);
    expect(existsSync(made.context.paths.state)).toBe(false);
  });

  test("says what failed before it tries once more", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    const network = "homespan:index:SiteNetwork";
    made.environment["FAKE_EVENTS"] = made.file(
      "failing",
      events(diagnostic("deleting it failed:\n  it is in use\n", "error", urn(network, "cloud")), {
        resOpFailedEvent: step("delete", network, "cloud"),
      }),
    );
    made.environment["FAKE_EXIT"] = "1";
    await failure(destroy(made.context, ci, once));
    const said = made.said.filter((line) => !line.includes("FAILED"));
    expect(
      said.slice(said.indexOf("SiteNetwork cloud: deleting it failed: it is in use")).slice(0, 2),
    ).toEqual([
      "SiteNetwork cloud: deleting it failed: it is in use",
      "once more, after reading what is really there",
    ]);
  });

  test("removes what bears the cluster's label, its service, and only this cluster's tables", async () => {
    const service = (pid: number, cluster: string): { pid: number; words: string[] } => ({
      pid,
      words: ["podman", "system", "service", `unix:///run/homespan/${cluster}/podman.sock`],
    });
    const made = withCluster(bed({ processes: [service(7, "ci"), service(8, "ci-x")] }));
    Object.assign(made.environment, {
      FAKE_PODS: "homespan-ci-agent-1\n",
      FAKE_VOLUMES: "homespan-ci-agent-1-data\n",
      FAKE_TABLES: "table inet homespan_ci_home\ntable inet homespan_ci_x_home\ntable inet filter\n",
    });
    await destroy(made.context, ci, once);
    const calls = made.calls();
    expect(calls).toContain("podman|pod rm --force --time=2 homespan-ci-agent-1");
    expect(calls).toContain("podman|volume rm --force homespan-ci-agent-1-data");
    expect(calls.filter((call) => call.startsWith("nft|delete"))).toEqual([
      "nft|delete table inet homespan_ci_home",
    ]);
    expect(made.said.join("\n")).toContain("removing what was left over: pod homespan-ci-agent-1");
    expect(made.ended).toEqual([7]);
    expect(made.removedFolders).toEqual(["/run/homespan/ci"]);
  });

  test("names what is protected, and removes nothing", async () => {
    const made = withCluster(bed());
    const held = {
      urn: urn("aws:lightsail/bucket:Bucket", "snapshots-bucket"),
      type: "aws:lightsail/bucket:Bucket",
    };
    const resources = [...resourcesOfCi, { ...held, protect: true }];
    made.environment["FAKE_CHECKPOINT"] = made.file("protected.json", {
      version: 3,
      checkpoint: { latest: { resources } },
    });
    await prepareStack(made.context, ci, []);
    const error = await failure(destroy(made.context, ci, once));
    expect(error.message).toContain(`pulumi state unprotect --yes --stack ci '${held.urn}'`);
    expect(made.calls().some((call) => call.includes("|destroy"))).toBe(false);
  });

  test("asks on a terminal, and does nothing after a no", async () => {
    const made = withCluster(bed({ yes: false, answer: false }));
    await prepareStack(made.context, ci, []);
    const error = await failure(destroy(made.context, ci, once));
    expect(error.message).toBe("nothing was removed");
    expect(made.calls().some((call) => call.includes("|destroy"))).toBe(false);
  });
});

describe("recreate --node", () => {
  test("replaces the volume of that node", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    await recreate(made.context, ci, { ...once, node: "agent-1" });
    const volume = urn("homespan:index:StewardVolume", "agent-1-volume");
    expect(made.calls().find((call) => call.includes("|up "))).toContain(`--replace ${volume}`);
    expect(made.said[0]).toContain("with all data on its volume");
  });

  test("replaces the instance of a node in the cloud, and says what becomes of its data", async () => {
    const made = withCluster(bed());
    const resource = (kind: string, name: string, node: string) => ({
      urn: urn(`aws:lightsail/${kind}`, name),
      type: `aws:lightsail/${kind}`,
      inputs: { name: `prod-${name}`, tags: { __defaults: [], "homespan.node": node } },
    });
    const resources = [
      ...resourcesOfCi.filter(({ type }) => type !== "homespan:index:StewardVolume"),
      resource("instance:Instance", "server-1-instance", "server-1"),
      resource("instance:Instance", "server-2-instance", "server-2"),
      resource("disk:Disk", "server-2-disk", "server-2"),
    ];
    Object.assign(made.environment, {
      FAKE_CHECKPOINT: made.file("cloud.json", { version: 3, checkpoint: { latest: { resources } } }),
    });
    await prepareStack(made.context, ci, []);
    for (const node of ["server-1", "server-2"]) await recreate(made.context, ci, { ...once, node });
    const ups = made.calls().filter((call) => call.includes("|up "));
    expect(ups[0]).toContain(`--replace ${urn("aws:lightsail/instance:Instance", "server-1-instance")}`);
    expect(ups[1]).toContain(`--replace ${urn("aws:lightsail/instance:Instance", "server-2-instance")}`);
    const said = made.said.join("\n");
    expect(said).toContain("server-1 will be removed from the cluster with all data on its machine");
    expect(said).toContain(
      "the machine of server-2 will be made again; its data is on prod-server-2-disk, which is protected and kept",
    );
    const error = await failure(recreate(made.context, ci, { ...once, node: "server-3" }));
    expect(error.message).toContain('`--node` must be one of server-1, server-2, got "server-3"');
  });

  test("replaces a virtual machine at home; what is on its data disk stays", async () => {
    const made = withCluster(bed());
    const resource = (type: string, name: string, inputs: object = {}) => ({
      urn: urn(type, name),
      type,
      inputs,
    });
    const domain = "libvirt:index/domain:Domain";
    const resources = [
      ...resourcesOfCi.filter(({ type }) => type !== "homespan:index:StewardVolume"),
      resource(domain, "vm-1-vm-domain"),
      resource("libvirt:index/volume:Volume", "vm-1-vm-data", { name: "prod-vm-1-data.qcow2" }),
      resource(domain, "vm-2-vm-domain"),
      resource("homespan:index:LimaVm", "agent-1-vm", { nodeName: "agent-1", dataDisk: "prod-agent-1-data" }),
    ];
    Object.assign(made.environment, {
      FAKE_CHECKPOINT: made.file("home.json", { version: 3, checkpoint: { latest: { resources } } }),
    });
    await prepareStack(made.context, ci, []);
    for (const node of ["vm-1", "agent-1"]) await recreate(made.context, ci, { ...once, node });
    const ups = made.calls().filter((call) => call.includes("|up "));
    expect(ups[0]).toContain(`--replace ${urn(domain, "vm-1-vm-domain")}`);
    expect(ups[1]).toContain(`--replace ${urn("homespan:index:LimaVm", "agent-1-vm")}`);
    const said = made.said.join("\n");
    for (const [node, disk] of [
      ["vm-1", "prod-vm-1-data.qcow2"],
      ["agent-1", "prod-agent-1-data"],
    ]) {
      expect(said).toContain(
        `the machine of ${node} will be made again; its data is on ${disk}, which is protected`,
      );
    }
    const error = await failure(recreate(made.context, ci, { ...once, node: "vm-2" }));
    expect(error.message).toContain('`--node` must be one of vm-1, agent-1, got "vm-2"');
  });

  test("names the nearest node for one that does not exist", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    const error = await failure(recreate(made.context, ci, { ...once, node: "agnt-1" }));
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe(
      '`--node` must be one of server-1, agent-1, got "agnt-1"; did you mean "agent-1"?',
    );
  });
});

test("status shows stage, readiness and path", async () => {
  const made = withCluster(bed());
  await prepareStack(made.context, ci, []);
  await status(made.context, ci);
  expect(made.printed[0]).toMatch(
    /agent-1 +agent +home +ready done +Ready +100\.64\.0\.2 +direct 10\.9\.0\.3/,
  );
});

test("doctor ends with 2 on a problem and prints it as JSON too", async () => {
  const made = bed({ json: true, facts: { podman: undefined, debian: false } });
  const error = await failure(doctor(made.context, ci, []));
  expect(error.exitCode).toBe(2);
  expect(JSON.parse(made.printed[0]!)).toMatchObject({ healthy: false, nodes: [] });
});

describe("kubectl and kubeconfig", () => {
  test("give kubectl a kubeconfig only its owner can read, and remove it", async () => {
    const made = withCluster(bed({ env: { FAKE_EXIT: "3" } }));
    await prepareStack(made.context, ci, []);
    expect(await kubectl(made.context, ci, ["get", "pods", "-A"])).toBe(3);
    expect(made.calls()).toContain("kubectl|600|apiVersion: v1|get pods -A");
    expect(readdirSync(made.context.paths.state).filter((name) => name.startsWith("kubeconfig"))).toEqual([]);
  });

  test("write the file 0600", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    const file = join(made.folder, "kubeconfig.yaml");
    await kubeconfig(made.context, ci, { write: file });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toBe("apiVersion: v1");
  });
});

test("render shows a node's files from a recorded preview", async () => {
  const made = bed({ env: { FAKE_PREVIEW: join(checkout, "test/cli/fixtures/preview.json") } });
  await render(made.context, ci, "agent-1", { settings: [] });
  const text = made.printed[0]!;
  expect(text).toContain("==> /data/etc/rancher/k3s/config.yaml\n");
  expect(text).toContain("==> /data/join.conf (while the cluster is not initialised)");
  expect(text).not.toContain("04da6b54");
  const error = await failure(render(made.context, ci, "agent-9", { settings: [] }));
  expect(error.message).toBe('<node> must be one of agent-1, got "agent-9"; did you mean "agent-1"?');
  await render(made.context, ci, "agent-1", { settings: [], out: join(made.folder, "out") });
  expect(existsSync(join(made.folder, "out/join.conf.initialised"))).toBe(true);
});

test("of a node that is up, render calls the secret files secret, and writes none", async () => {
  const recorded = readFileSync(join(checkout, "test/cli/fixtures/preview.json"), "utf8");
  const preview = JSON.parse(recorded) as { steps: { newState: { inputs?: object } }[] };
  for (const { newState } of preview.steps) {
    if (newState.inputs !== undefined && "secretFiles" in newState.inputs) {
      newState.inputs = { ...newState.inputs, secretFiles: "[secret]" };
    }
  }
  const made = bed();
  const file = join(made.folder, "up.json");
  writeFileSync(file, JSON.stringify(preview));
  const known = bed({ env: { FAKE_PREVIEW: file } });
  await render(known.context, ci, "agent-1", { settings: [] });
  expect(known.printed[0]).toContain("==> /data/secrets/ (secret files)\n[secret]\n");
  const out = join(known.folder, "out");
  await render(known.context, ci, "agent-1", { settings: [], out });
  expect(existsSync(join(out, "join.conf"))).toBe(true);
  expect(existsSync(join(out, "secrets"))).toBe(false);
});

test("env prints what a POSIX shell evaluates, and plain pulumi then runs with the stack's own config file", async () => {
  const made = withCluster(bed());
  const odd = bed({ env: { HOMESPAN_STATE: join(made.folder, "it's here") } });
  await env(odd.context, ci, []);
  const script = join(made.folder, "env.sh");
  writeFileSync(script, odd.printed[0]!);
  const output = execFileSync(
    "sh",
    ["-c", '. "$1"; printf "%s\\n" "$PULUMI_BACKEND_URL"; pulumi up -s ci --yes', "sh", script],
    { env: odd.environment, encoding: "utf8", cwd: odd.folder },
  );
  expect(output.split("\n")[0]).toBe(`file://${made.folder}/it's here/pulumi?metadata=skip`);
  expect(odd.calls().at(-1)).toBe(
    `${odd.folder}|up -s ci --yes --config-file ${made.folder}/it's here/config/Pulumi.ci.yaml`,
  );
  // What a plugin left went with it.
  const left = readFileSync(join(odd.folder, "calls.temporary"), "utf8").trim();
  expect(left).toMatch(/it's here\/tmp\/\d+\/kubeconfig/);
  await expect.poll(() => existsSync(left), { timeout: 5000 }).toBe(false);
});

describe("which stack", () => {
  test("[stack] must be a topology, --name names another", async () => {
    const { context } = bed();
    expect(await resolveStack(context.paths, undefined, undefined)).toEqual(ci);
    expect(await resolveStack(context.paths, "ci", "pr-1")).toEqual({ name: "pr-1", topology: "ci" });
    expect((await failure(resolveStack(context.paths, "cii", undefined))).message).toBe(
      '[stack] must be one of ci, homelab, lightsail, got "cii"; did you mean "ci"?',
    );
    expect((await failure(resolveStack(context.paths, "ci", "PR_1"))).exitCode).toBe(2);
  });

  test("an existing stack can be named alone", async () => {
    const { context } = bed();
    await prepareStack(context, { name: "pr-1", topology: "ci" }, []);
    expect(await resolveStack(context.paths, "pr-1", undefined)).toEqual({ name: "pr-1", topology: "ci" });
  });
});
