/** Which commands reach a node: by SSH, with which host key and where the key is, and on Podman. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { viewCluster } from "../../cli/nodes.ts";
import { withNodeCommands } from "../../cli/node-commands.ts";
import { type StageSummary, summarizeStages } from "../../cli/stages.ts";
import { prepareStack } from "../../cli/state.ts";
import { ssh } from "../../cli/verbs/ssh.ts";
import { type Bed, outputs as outputsOfCi, makeBed, urn, withCluster } from "./bed.ts";
import { ci, failure } from "./verb-support.ts";

const server = (name: string, address: string, port = 22) => ({
  ...{ name, role: "server", site: "eu-central-1", hostName: `l-${name}` },
  transport: { kind: "ssh" as const, address, port, user: "admin", hostKey: "ssh-ed25519 AAAA" },
});
const outputs = {
  clusterName: "l",
  nodes: [server("server-1", "198.18.1.8"), server("server-2", "198.18.1.9", 2222)],
  kubeconfig: "apiVersion: v1",
  apiUrl: "https://l-server-1.tail0a1b2c.ts.net:6443",
  sshPrivateKey: "-----BEGIN KEY-----\n",
};
const stages = { node: "server-1", stages: [{ name: "ready", state: "done", attempts: 1 }] };

const beds: Bed[] = [];
const bed = (env: Readonly<Record<string, string>> = {}): Bed => {
  const made = makeBed({ env });
  beds.push(made);
  made.environment["FAKE_STAGES"] = made.file("stages.json", stages);
  made.environment["FAKE_KUBERNETES_NODES"] = made.file("nodes.json", { items: [] });
  return made;
};
afterEach(() => {
  for (const made of beds.splice(0)) made.remove();
});

test("every question insists on the recorded host key, and the private key is a file of its owner's until the answer", async () => {
  const made = bed();
  const { nodes } = await viewCluster(made.context, "l", outputs);
  expect(nodes.map(({ name, stage, path }) => [name, stage.state, path])).toEqual([
    ["server-1", "done", "self"],
    ["server-2", "done", "direct 198.18.1.9:41641"],
  ]);
  const calls = made.calls();
  const lines = calls.filter((line) => line.startsWith("ssh|"));
  expect(lines).toHaveLength(3);
  for (const line of lines) {
    expect(line).toContain("StrictHostKeyChecking=yes");
    expect(line).toContain("BatchMode=yes");
    expect(line).toContain("-F none");
    expect(line).not.toContain("BEGIN KEY");
  }
  expect(lines.some((line) => line.includes("-p 2222") && line.includes("admin@198.18.1.9"))).toBe(true);
  expect(calls).toContain("key|600|-----BEGIN KEY-----");
  expect(calls).toContain("known|198.18.1.8 ssh-ed25519 AAAA;[198.18.1.9]:2222 ssh-ed25519 AAAA;");
  expect(readdirSync(made.folder)).not.toContain("tmp");
});

test("a machine that does not answer is named with ssh's last words", async () => {
  const made = bed({ FAKE_SSH_ERROR: "Host key verification failed." });
  const { nodes } = await viewCluster(made.context, "l", outputs);
  expect(nodes[0]?.stage).toMatchObject({
    state: "failed",
    error: expect.stringContaining("Host key verification failed.") as string,
  });
});

test("a shell is root's, and a command arrives word by word", async () => {
  const made = bed();
  await withNodeCommands(made.context, { stack: "l", ...outputs }, async (commandsOf) => {
    const { shell } = commandsOf(outputs.nodes[0]!);
    expect(shell([], true).at(-1)).toBe("sudo -i");
    expect(shell([], true)).toContain("-t");
    expect(shell(["echo", "it's", "$HOME"], false).at(-1)).toBe("sudo -n 'echo' 'it'\\''s' '$HOME'");
  });
});

test("a machine behind another one is reached through it, with both host keys known", async () => {
  const made = bed();
  const via = { address: "imac.local", port: 22, user: "admin", hostKey: "ssh-ed25519 BBBB" };
  const { transport, ...rest } = server("agent-1", "127.0.0.1", 60_101);
  const node = { ...rest, transport: { ...transport, via } };
  await withNodeCommands(made.context, { ...outputs, stack: "l", nodes: [node] }, async (commandsOf) => {
    await commandsOf(node).stages();
  });
  const calls = made.calls();
  const line = calls.find((it) => it.startsWith("ssh|")) ?? "";
  const key = / -i (\S+)/.exec(line)?.[1] ?? "";
  expect(line).toContain(`ProxyCommand='ssh' '-F' 'none' '-i' '${key}' '-p' '22'`);
  expect(line).toMatch(/'StrictHostKeyChecking=yes' .*'admin@imac\.local' -W %h:%p/);
  expect(line).toMatch(/ admin@127\.0\.0\.1 sudo -n \/usr\/lib\/homespan\/stage$/);
  expect(calls).toContain("known|imac.local ssh-ed25519 BBBB;[127.0.0.1]:60101 ssh-ed25519 AAAA;");
});

describe("a machine with Fedora CoreOS", () => {
  const { transport, ...rest } = server("metal-1", "192.168.1.60");
  const node = { ...rest, transport: { ...transport, library: "/usr/local/libexec/homespan" } };
  const stageOf = async (made: Bed): Promise<StageSummary> =>
    withNodeCommands(made.context, { ...outputs, stack: "l", nodes: [node] }, async (commandsOf) =>
      summarizeStages(await commandsOf(node).stages(), 0),
    );

  test("whose boot sequence has not begun waits for its second start", async () => {
    const made = bed();
    made.environment["FAKE_STAGES"] = made.file("none.json", { node: "", stages: [] });
    expect(await stageOf(made)).toMatchObject({
      ...{ stage: "policy", state: "failed" },
      error: "it has not started a second time yet, with SELinux's policy for k3s",
      fix: "see ./homespan ssh --stack l metal-1 -- journalctl -u homespan-layering; then run up again",
    });
    expect(await stageOf(bed())).toMatchObject({ stage: "ready", state: "done" });
  });

  test("whose k3s was stopped is started by the command where its boot files are", async () => {
    const made = bed();
    const k3s = { name: "k3s", state: "waiting", error: "stopped on purpose; k3s-start starts it" };
    made.environment["FAKE_STAGES"] = made.file("stopped.json", { node: "metal-1", stages: [k3s] });
    expect(await stageOf(made)).toMatchObject({
      ...{ stage: "k3s", state: "waiting" },
      fix: "start it: ./homespan ssh --stack l metal-1 -- /usr/local/libexec/homespan/k3s-start",
    });
  });

  test("is asked about at home, not at a cloud's", async () => {
    expect(await stageOf(bed({ FAKE_SSH_ERROR: "Connection refused" }))).toMatchObject({
      ...{ stage: "contact", fix: "is it on, and reached from here? Then run up again" },
    });
    const missing = await stageOf(bed({ FAKE_SSH_ERROR: "sh: stage: command not found" }));
    expect(missing).toMatchObject({ stage: "user-data", fix: "run up again: it makes what is missing" });
  });
});

describe("a machine that shows another host key", () => {
  const contact = async (resources: readonly object[]): Promise<string | undefined> => {
    const made = bed({ FAKE_SSH_ERROR: "Host key verification failed." });
    const folder = join(made.context.paths.backend, ".pulumi/stacks/homespan");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "l.json"), JSON.stringify({ checkpoint: { latest: { resources } } }));
    return (await viewCluster(made.context, "l", outputs)).nodes[0]?.stage.fix;
  };

  test("is looked for at home, or in the cloud's console where it is an instance", async () => {
    expect(await contact([])).toMatch(/was installed anew/);
    const type = "homespan:lightsail:LightsailServer";
    expect(await contact([{ urn: urn(type, "server-1"), type }])).toMatch(/look into the cloud's console/);
  });
});

describe("a node on Podman", () => {
  const [, agent] = outputsOfCi.nodes;
  const container = "homespan-ci-agent-1-k3s";

  test("is commanded in the container where k3s runs, word by word, with a terminal where there is one", async () => {
    const made = bed();
    const node = {
      name: "agent-1",
      transport: { kind: "podman" as const, container: agent!.transport.container },
    };
    await withNodeCommands(made.context, { stack: "ci", nodes: [node] }, async (commandsOf) => {
      const { shell } = commandsOf(node);
      expect(shell([], true)).toEqual(["podman", "exec", "-it", container, "/bin/sh"]);
      expect(shell([], false)).toEqual(["podman", "exec", "-i", container, "/bin/sh"]);
      const words = ["echo", "it's", "$HOME", "a b"];
      expect(shell(words, true)).toEqual(["podman", "exec", "-it", container, ...words]);
      expect(shell(words, false)).toEqual(["podman", "exec", "-i", container, ...words]);
    });
    // Nothing that opens it is written down.
    expect(readdirSync(made.folder)).not.toContain("tmp");
  });

  test.each([
    ["a terminal", true, true, "-it"],
    ["standard input from a pipe", false, true, "-i"],
    ["standard output into a pipe", true, false, "-i"],
  ])("./homespan ssh with %s, and the exit code of what ran", async (_case, stdin, stdout, flag) => {
    const made = withCluster(bed({ FAKE_EXIT: "7" }));
    await prepareStack(made.context, ci, []);
    asTerminal(process.stdin, stdin);
    asTerminal(process.stdout, stdout);
    expect(await ssh(made.context, ci, "agent-1", ["ip", "addr"])).toBe(7);
    expect(await ssh(made.context, ci, "agent-1", [])).toBe(7);
    expect(
      made
        .calls()
        .slice(-3)
        .filter((call) => call.startsWith("podman|")),
    ).toEqual([`podman|exec ${flag} ${container} ip addr`, `podman|exec ${flag} ${container} /bin/sh`]);
  });

  test("./homespan ssh names the nearest node for one that is not there, and runs nothing", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    const error = await failure(ssh(made.context, ci, "agnt-1", ["reboot"]));
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain('got "agnt-1"; did you mean "agent-1"?');
    expect(made.calls().filter((call) => call.startsWith("podman|"))).toEqual([]);
  });
});

/** Until the end of the test. */
function asTerminal(stream: NodeJS.ReadStream | NodeJS.WriteStream, is: boolean): void {
  const before = Object.getOwnPropertyDescriptor(stream, "isTTY");
  Object.defineProperty(stream, "isTTY", { value: is, configurable: true });
  onTestFinished(() => {
    if (before === undefined) Reflect.deleteProperty(stream, "isTTY");
    else Object.defineProperty(stream, "isTTY", before);
  });
}
