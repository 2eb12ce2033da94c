/** SSH to machines that another machine alone sees: a virtual machine of a Mac's. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SystemMacs } from "../../provider/effects/macs.ts";
import { SshFailure } from "../../provider/effects/ssh-failure.ts";
import { SshConnections } from "../../provider/effects/ssh.ts";
import type { SshTransport } from "../../provider/schema/common.ts";
import { SshMachine, hostKeyPair, newPrivateKey } from "./ssh-machine.ts";

const [macKey, guestKey, otherKey] = [hostKeyPair(), hostKeyPair(), hostKeyPair()];
const guestPrivateKey = newPrivateKey();

let mac: SshMachine;
let guest: SshMachine;
let ssh: SshConnections;
beforeEach(async () => {
  mac = new SshMachine();
  guest = new SshMachine();
  guest.keys = [guestPrivateKey];
  await mac.start(macKey);
  await guest.start(guestKey);
  ssh = new SshConnections({ idleMilliseconds: 100 });
});
afterEach(async () => {
  ssh.close();
  await guest.stop();
  await mac.stop();
});

function behindMac(change: Partial<SshTransport> = {}): SshTransport {
  const { kind: _, ...via } = mac.transport(macKey.text);
  return { ...guest.transport(guestKey.text), privateKey: guestPrivateKey, via, ...change };
}

const failing = async (work: Promise<unknown>): Promise<SshFailure> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SshFailure);
  return error as SshFailure;
};

describe("a machine behind another one", () => {
  it("takes commands through one connection to the first", async () => {
    const codes = await Promise.all([1, 2, 3].map(async () => (await ssh.run(behindMac(), ["true"])).code));
    expect(codes).toEqual([0, 0, 0]);
    expect([mac.connections, guest.connections]).toEqual([1, 1]);
    // The first one saw nothing of it.
    expect(mac.commands).toEqual([]);
    expect(guest.commands).toEqual(["true", "true", "true"]);
  });

  it("shows its own host key, and a wrong one is found whoever is on the way", async () => {
    expect(await ssh.hostKey(behindMac())).toBe(guestKey.text);
    ssh.close();
    await guest.restart(otherKey);
    expect((await failing(ssh.run(behindMac(), ["true"]))).reason).toBe("other-machine");
    const via = { ...mac.transport(otherKey.text), kind: undefined };
    const { kind: _, ...wrongWay } = via;
    const failure = await failing(ssh.run(behindMac({ via: wrongWay }), ["true"]));
    expect(failure.reason).toBe("other-machine");
    expect(failure.message).toMatch(/^admin@127\.0\.0\.1:\d+: the machine must show the host key/);
  });

  it("that is stopped refuses connections, as one that is near", async () => {
    const transport = behindMac();
    await guest.stop();
    const failure = await failing(ssh.run(transport, ["true"]));
    expect(failure.reason).toBe("refused");
    expect(failure.message).toMatch(/\(by way of admin@127\.0\.0\.1:\d+\): connection refused$/);
    await guest.start(guestKey);
    expect((await ssh.run(transport, ["true"])).code).toBe(0);
  });

  it("is lost with the first, and found again with it", async () => {
    const transport = behindMac();
    await ssh.run(transport, ["true"]);
    await mac.restart(macKey);
    // Until its end has been heard of.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await ssh.run(transport, ["true"])).code).toBe(0);
    await mac.stop();
    expect((await failing(ssh.run(transport, ["true"]))).message).toMatch(/^admin@/);
  });

  it("is let go when nobody asks any more", async () => {
    await ssh.run(behindMac(), ["true"]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await ssh.run(behindMac(), ["true"]);
    expect([mac.connections, guest.connections]).toEqual([2, 2]);
  });
});

describe("commands on a Mac", () => {
  it("run as the user who logs in, with Homebrew's programs", async () => {
    mac.trouble = () => ({ stdout: "ok" });
    const macs = new SystemMacs(() => Promise.reject(new Error("not here")), ssh);
    const answer = await macs.run(mac.transport(macKey.text), ["limactl", "list", "--json"]);
    expect(answer.stdout).toBe("ok");
    expect(mac.lines).toEqual([
      `/bin/sh -c 'PATH="$PATH:/opt/homebrew/bin:/usr/local/bin"; export PATH; exec "$@"' sh limactl list --json`,
    ]);
  });

  it("that does not answer end soon, with its name and what to do", async () => {
    const macs = new SystemMacs(() => Promise.reject(new Error("not here")), ssh);
    const transport = mac.transport(macKey.text);
    await mac.stop();
    await expect(macs.run(transport, ["true"])).rejects.toThrow(
      /^the Mac admin@127\.0\.0\.1:\d+ cannot be reached: connection refused\. Let SSH in there: .*Remote Login$/,
    );
  });
});
