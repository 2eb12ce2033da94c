/** Commands by SSH: quoting, host keys, shared connections, and everything that gets lost on the way. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeAccess } from "../../provider/effects/node-access.ts";
import type { NodeAccess } from "../../provider/effects/node-files.ts";
import { SshFailure } from "../../provider/effects/ssh-failure.ts";
import { SshConnections } from "../../provider/effects/ssh.ts";
import type { Clock } from "../../provider/effects/wait.ts";
import { rootCommand, shellWords } from "../../provider/logic/shell-words.ts";
import { fingerprint } from "../../provider/logic/ssh-host-key.ts";
import { FakePodman } from "./fake-podman.ts";
import { SshMachine, hostKeyPair, words } from "./ssh-machine.ts";

const [first, second, ecdsa] = [hostKeyPair(), hostKeyPair(), hostKeyPair("ecdsa")];

describe("arguments for a remote shell", () => {
  // NUL ends an argument everywhere; halves of a surrogate pair are no text.
  const word = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !text.includes("\0"));

  it("are split into just these again", () => {
    const check = (argv: readonly string[]): void => {
      const script = `printf '%s\\0' ${shellWords([...argv, "end"])}`;
      const out = execFileSync("/bin/sh", ["-c", script]).toString();
      expect(out.split("\0").slice(0, -2)).toEqual(argv);
    };
    check([
      "",
      " ",
      "'",
      "''",
      '"',
      "\\",
      "\n",
      "$HOME",
      "`id`",
      "$(id)",
      "*",
      "~",
      "-n",
      "a=b",
      "#",
      "!",
      "ä",
    ]);
    fc.assert(fc.property(fc.array(word, { maxLength: 6 }), check), { numRuns: 15 });
  });

  it("reach the program behind sudo", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (argv) => {
        expect(words(rootCommand(argv, "admin")).slice(7)).toEqual(argv);
      }),
    );
    expect(rootCommand(["a", "b c"], "admin")).toBe(`sudo -n -- /bin/sh -c 'exec "$@"' sh a 'b c'`);
    expect(rootCommand(["a", "b c"], "root")).toBe(`/bin/sh -c 'exec "$@"' sh a 'b c'`);
    expect(() => shellWords(["a\0b"])).toThrow("`argv` must be texts without NUL bytes");
  });

  it.each([
    [["/nowhere/at-all"], 127],
    [[join(import.meta.dirname, "../../package.json")], 126],
    [["/bin/sh", "-c", "exit 75"], 75],
  ])("keep the exit code that tells what is wrong: %s", (argv, code) => {
    const line = rootCommand(argv, "admin").replace("sudo -n -- ", "");
    const status = (() => {
      try {
        execFileSync("/bin/sh", ["-c", line], { stdio: "ignore" });
        return 0;
      } catch (error) {
        return (error as { status: number }).status;
      }
    })();
    expect(status).toBe(code);
  });
});

describe("a machine", () => {
  let machine: SshMachine;
  let ssh: SshConnections;
  let nodes: NodeAccess;
  /** Pauses take no time; what happens meanwhile is up to the test. */
  let meanwhile: () => Promise<void>;
  let skipped = 0;
  const clock: Clock = {
    now: () => Date.now() + skipped,
    sleep: async (milliseconds) => {
      skipped += milliseconds;
      await meanwhile();
    },
  };
  const firstKey = first.text;

  beforeEach(async () => {
    machine = new SshMachine();
    ssh = new SshConnections({ idleMilliseconds: 100, keepaliveMilliseconds: 50 });
    meanwhile = async () => undefined;
    nodes = nodeAccess(new FakePodman(), ssh, clock);
    await machine.start(ecdsa, first);
    machine.started = 1;
  });
  afterEach(async () => {
    ssh.close();
    await machine.stop();
  });

  const failure = async (work: Promise<unknown>): Promise<SshFailure> => {
    const error: unknown = await work.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SshFailure);
    return error as SshFailure;
  };

  it("shows the best of its host keys to whom it is not known", async () => {
    expect(await ssh.hostKey(machine.transport())).toBe(first.text);
    expect(first.text).toMatch(/^ssh-ed25519 AAAA\S+$/);
  });

  it("runs a command with its input, and tells how it ended", async () => {
    const t = machine.transport(firstKey);
    expect(await ssh.run(t, ["true"])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await ssh.run(t, ["/nowhere"])).toMatchObject({
      code: 127,
      stderr: expect.stringContaining("not found") as unknown,
    });
    const long = "x".repeat(300_000);
    await nodes.put(t, [{ path: "long", content: long, mode: 0o600 }]);
    expect(await nodes.show(t, "long")).toBe(long);
  });

  it("has one connection for all that run at once, no more at a time than it takes, and one again later", async () => {
    const t = machine.transport(firstKey);
    const results = await Promise.all(Array.from({ length: 25 }, () => ssh.run(t, ["true"])));
    expect(results.every(({ code }) => code === 0)).toBe(true);
    expect(machine.connections).toBe(1);
    expect(machine.most).toBeLessThanOrEqual(8);
    await ssh.run(t, ["true"]);
    expect(machine.connections).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await ssh.run(t, ["true"]);
    expect(machine.connections).toBe(2);
  });

  it("goes on with the connection by which its host key was learned", async () => {
    expect(await ssh.run(machine.transport(), ["true"])).toMatchObject({ code: 0 });
    const known = await ssh.hostKey(machine.transport());
    expect(await ssh.run(machine.transport(known), ["true"])).toMatchObject({ code: 0 });
    expect(machine.connections).toBe(1);
    expect(await failure(ssh.run(machine.transport(second.text), ["true"]))).toMatchObject({
      reason: "other-machine",
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = machine.connections;
    await ssh.run(machine.transport(known), ["true"]);
    expect(machine.connections).toBe(before + 1);
  });

  it("with another host key gets nothing, not even who asks", async () => {
    await machine.restart(second);
    const { message, reason } = await failure(ssh.run(machine.transport(firstKey), ["true"]));
    expect(reason).toBe("other-machine");
    expect(message).toContain("admin@127.0.0.1:");
    expect(message).toContain(`must show the host key ${fingerprint(firstKey)} of its first contact`);
    expect(message).toContain(`got ${fingerprint(second.text)}`);
    expect(message).toContain("pulumi up --replace");
    expect(machine.lines).toEqual([]);
    // One that has no key of the known kind shows what it has.
    await machine.restart(ecdsa);
    expect((await failure(ssh.run(machine.transport(firstKey), ["true"]))).message).toMatch(
      /got SHA256:\S{43} \(ecdsa-sha2-nistp256\)/,
    );
  });

  it("that does not take the key, or has nothing on the port, is told apart", async () => {
    machine.accepting = false;
    const t = machine.transport(firstKey);
    expect(await failure(ssh.run(t, ["true"]))).toMatchObject({ reason: "denied" });
    expect(await nodes.gone(t)).toBe(false);
    await machine.stop();
    const refused = await failure(ssh.run(t, ["true"]));
    expect(refused.message).toBe(`admin@127.0.0.1:${String(t.port)}: connection refused`);
    expect([await nodes.reachable(t), await nodes.gone(t)]).toEqual([false, false]);
    await expect(ssh.run({ ...t, privateKey: "no key" }, ["true"])).rejects.toThrow(
      "`privateKey` must be a private key in PEM",
    );
  });

  it("that is cut off during a command is lost, and one that was idle meanwhile is asked again", async () => {
    const t = machine.transport(firstKey);
    machine.trouble = ([program]) => (program === "slow" ? "drop" : undefined);
    const lost = await failure(ssh.run(t, ["slow"]));
    expect([lost.reason, lost.message]).toEqual(["lost", expect.stringContaining("the connection was lost")]);
    await ssh.run(t, ["true"]);
    await machine.restart(first);
    expect(await ssh.run(t, ["true"])).toMatchObject({ code: 0 });
  });

  it("that vanishes during a command is noticed", async () => {
    machine.trouble = ([program]) => {
      if (program !== "slow") return undefined;
      machine.freeze();
      return "hang";
    };
    const { reason, message } = await failure(ssh.run(machine.transport(firstKey), ["slow"]));
    expect(reason).toBe("lost");
    expect(message).toContain("the connection was lost (Keepalive timeout)");
  });

  it("that ends a command without a status has failed it, and takes the next one", async () => {
    machine.trouble = ([program]) => (program === "killed" ? "leave" : undefined);
    const t = machine.transport(firstKey);
    const finished = await ssh.run(t, ["killed"]);
    expect(finished).toEqual({ code: 1, stdout: "", stderr: "\nended without an exit status" });
    expect(await ssh.run(t, ["true"])).toMatchObject({ code: 0 });
    expect(machine.connections).toBe(1);
  });

  it("whose connection ends a moment after a command that has no status is lost", async () => {
    machine.trouble = ([program]) => (program === "killed" ? "leave-and-drop" : undefined);
    const { reason, message } = await failure(ssh.run(machine.transport(firstKey), ["killed"]));
    expect(reason).toBe("lost");
    expect(message).toContain("the connection was lost");
  });

  it("that does not end a command in time is left alone", async () => {
    machine.trouble = ([program]) => (program === "slow" ? "hang" : undefined);
    const finished = await ssh.run(machine.transport(firstKey), ["slow"], { timeoutSeconds: 0.1 });
    expect(finished).toEqual({ code: 1, stdout: "", stderr: "\nno answer within 0.1 s" });
  });

  it("has its files written, read and removed as every node", async () => {
    const t = machine.transport(firstKey);
    const secret = "tskey-auth-secret";
    await nodes.put(t, [
      { path: "secrets/authkey", content: secret, mode: 0o600 },
      { path: "it's", content: "a\n", mode: 0o644 },
    ]);
    expect(machine.data.get("secrets/authkey")).toBe(secret);
    expect(machine.lines.join("\n")).not.toContain(secret);
    const sums = await nodes.checksums(t, ["it's", "missing"]);
    expect(sums).toEqual({ "it's": expect.stringMatching(/^[0-9a-f]{64}$/) as unknown, missing: "" });
    await nodes.remove(t, ["it's"]);
    expect(await nodes.show(t, "it's")).toBeUndefined();
    machine.stageText = '{"node":"a","stages":[{"name":"ready","state":"done","attempts":1}]}';
    expect(await nodes.stages(t)).toEqual([{ name: "ready", state: "done", attempts: 1 }]);
    expect(await nodes.stopK3s(t)).toBe(true);
    expect(machine.commands.at(-1)).toBe("k3s-stop");
    machine.trouble = (argv) =>
      argv[0]?.endsWith("/k3s-stop") === true ? { code: 1, stderr: "no" } : undefined;
    expect(await nodes.stopK3s(t)).toBe(false);
    machine.trouble = () => undefined;
    await nodes.restartK3s(t);
    expect(machine.commands.at(-1)).toBe("systemctl restart k3s.service");
    // Kept stopped on purpose: its boot sequence has to hear that it is not any more.
    machine.data.set("steward/k3s.stopped", "");
    await nodes.restartK3s(t);
    expect(machine.commands.slice(-2)).toEqual(["systemctl restart k3s.service", "k3s-start"]);
    machine.dataIn = 2;
    expect(await nodes.checksums(t, ["a"])).toBeUndefined();
    await expect(nodes.put(t, [])).rejects.toThrow(
      "writing files on 127.0.0.1 failed: receive: the data directory",
    );
  });

  it("says which servers are Ready, as it sees them in the tailnet", async () => {
    const t = machine.transport(firstKey);
    machine.trouble = (argv) => {
      if (!argv[0]?.endsWith("/bin/k3s")) return undefined;
      const up = argv.includes("--server=https://ci-server-2.a.ts.net:6443");
      return up ? { stdout: "ok" } : { code: 1, stderr: "connection refused" };
    };
    const names = ["ci-server-2.a.ts.net", "ci-server-3.a.ts.net"];
    expect(await nodes.readyServers(t, names)).toEqual(["ci-server-2.a.ts.net"]);
  });

  it("in whose place another one answers is gone, and gives no answers", async () => {
    const t = machine.transport(firstKey);
    await machine.restart(second);
    expect(await nodes.gone(t)).toBe(true);
    expect([await nodes.reachable(t), await nodes.checksums(t, ["a"]), await nodes.stages(t)]).toEqual([
      false,
      undefined,
      undefined,
    ]);
    await expect(nodes.put(t, [])).rejects.toThrow("must show the host key");
  });

  it("in whose place another one starts is gone as soon as that one shows who it is", async () => {
    const t = machine.transport(firstKey);
    await machine.stop();
    meanwhile = async () => {
      meanwhile = async () => undefined;
      await machine.start(second);
    };
    expect(await nodes.gone(t)).toBe(true);
  });
});

describe("an address where nobody answers", () => {
  let listener: Server;
  beforeEach(async () => {
    // Takes the connection and says nothing.
    listener = createServer((socket) => socket.on("error", () => undefined));
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => {
    listener.close();
  });

  it("is waited for no longer than asked, once for all that ask", async () => {
    const ssh = new SshConnections();
    const { port } = listener.address() as AddressInfo;
    const t = { ...new SshMachine().transport(), port };
    const ask = () => ssh.run(t, ["true"], { loginSeconds: 0.2 }).catch((error: unknown) => error);
    const answers = await Promise.all([ask(), ask()]);
    expect(answers[0]).toBe(answers[1]);
    expect(answers[0]).toMatchObject({
      reason: "silent",
      message: expect.stringContaining("nobody is logged in within 0.2 s") as unknown,
    });
  });

  it("is given up sooner where it does not even take a connection", async () => {
    // It listens and is busy for ever: the system lets two wait, and drops what the others send.
    const script =
      'const s = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {' +
      'require("node:fs").writeSync(1, `${s.address().port}\\n`); for (;;); })';
    const deaf = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
    const [line] = (await once(deaf.stdout, "data")) as [Buffer];
    const port = Number(line.toString());
    const waiting = Array.from({ length: 4 }, () =>
      connect({ host: "127.0.0.1", port }).on("error", () => undefined),
    );
    try {
      await Promise.all(waiting.slice(0, 2).map(async (socket) => once(socket, "connect")));
      const ssh = new SshConnections();
      const t = { ...new SshMachine().transport(), port };
      await expect(ssh.run(t, ["true"], { connectSeconds: 0.2 })).rejects.toMatchObject({
        reason: "silent",
        message: expect.stringContaining("no answer within 0.2 s") as unknown,
      });
    } finally {
      for (const socket of waiting) socket.destroy();
      deaf.kill("SIGKILL");
    }
  });
});
