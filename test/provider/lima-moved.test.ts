/** `mac` of the configuration leads elsewhere: to the same Mac by another way, to another user of it, or to another Mac. */
import { beforeEach, describe, expect, it } from "vitest";
import { Limactl } from "../../provider/effects/lima/limactl.ts";
import { MacAway, type Macs } from "../../provider/effects/macs.ts";
import type { SshLogin } from "../../provider/effects/ssh-connection.ts";
import { SshFailure, otherMachine } from "../../provider/effects/ssh-failure.ts";
import { limaDisk } from "../../provider/resources/lima-disk.ts";
import { limaMac } from "../../provider/resources/lima-mac.ts";
import type { CallContext, Resource } from "../../provider/server/resource.ts";
import type { Properties } from "../../provider/server/values.ts";
import { FakeKubernetes } from "./fake-kubernetes.ts";
import { FakeLima } from "./fake-lima.ts";
import { FakeClock, plain } from "./harness.ts";
import { diskInputs, local, macInputs, publicKey } from "./samples-lima.ts";
import { hostKeyPair, privateKey } from "./ssh-machine.ts";

const [imacKey, miniKey] = [hostKeyPair().text, hostKeyPair().text];

/** A user of a Mac, with a Lima of their own. */
interface Account {
  readonly hostKey: string;
  readonly lima: FakeLima;
}
let accounts: Map<string, Account>;
let warnings: string[];
let mac: Resource;
let disk: Resource;
let context: CallContext;

const newLima = (): FakeLima => new FakeLima(new FakeKubernetes());
const account = (place: string): Account => accounts.get(place)!;

/** As a Mac's sshd: it takes the cluster's key where that was let in, and its users' own. */
function enter(login: SshLogin): Account {
  const found = accounts.get(`${login.user}@${login.address}`);
  if (found === undefined) throw new SshFailure(login, "silent", "no answer within 10 s");
  if (login.hostKey !== undefined && login.hostKey !== found.hostKey)
    throw otherMachine(login, found.hostKey);
  if (login.agent === undefined && !found.lima.keys.includes(publicKey)) {
    throw new SshFailure(login, "denied", "the machine does not accept this user with this key");
  }
  return found;
}

const ssh = {
  hostKey: (login: SshLogin) => Promise.resolve().then(() => enter(login).hostKey),
  run: () => Promise.reject(new Error("nothing is run but by way of the Macs")),
  close: () => undefined,
};
const macs: Macs = {
  run: (place, argv, options) => {
    if (place.kind === "local") return account("local").lima.run(place, argv, options);
    try {
      return enter(place).lima.run(place, argv, options);
    } catch (error) {
      return Promise.reject(error instanceof SshFailure ? new MacAway(place, error) : (error as Error));
    }
  },
};

beforeEach(() => {
  accounts = new Map([
    ["admin@imac.local", { hostKey: imacKey, lima: newLima() }],
    ["bob@imac.local", { hostKey: imacKey, lima: newLima() }],
    ["admin@mini.local", { hostKey: miniKey, lima: newLima() }],
  ]);
  // The same account by its address.
  accounts.set("admin@192.168.1.20", account("admin@imac.local"));
  warnings = [];
  context = {
    signal: new AbortController().signal,
    timeoutSeconds: 0,
    warn: (message) => {
      warnings.push(message);
      return Promise.resolve();
    },
  };
  const lima = new Limactl(macs);
  const userLogins = (place: SshLogin) => Promise.resolve([{ ...place, agent: "/agent" }]);
  mac = limaMac({ lima, ssh, userLogins, clock: new FakeClock() });
  disk = limaDisk({ lima, random: () => "0f" });
});

const inputs = (place: Properties): Properties => ({
  ...macInputs,
  place: { kind: "ssh", user: "admin", port: 22, ...place },
  waitSeconds: 1,
});
const imac = { address: "imac.local" };
const made = async (): Promise<{ state: Properties; diskState: Properties }> => {
  const { outputs: state } = await mac.create(inputs(imac), context);
  const { outputs } = await disk.create({ ...diskInputs(0), mac: connection(state) }, context);
  return { state, diskState: outputs };
};
const connection = (state: Properties): unknown => plain(state)["connection"];

const config = { vmType: "vz", images: [], cpus: 1, memory: "1GiB", disk: "1GiB" };
const runs = (lima: FakeLima): unknown =>
  lima.instances.set("home-agent-1", { config, status: "Running", starts: 1 });

describe("another address", () => {
  it("of the same Mac keeps its driver, its disks and the cluster's key", async () => {
    const lima = account("admin@imac.local").lima;
    Object.assign(lima.facts, { OS_VERSION: "13.4.1", QEMU: "/opt/homebrew/bin/qemu-system-aarch64" });
    const { state, diskState } = await made();
    lima.facts["OS_VERSION"] = "15.6";
    const moved = await mac.update(state, inputs({ address: "192.168.1.20" }), context);
    expect(plain(moved)).toMatchObject({ vmType: "qemu", connection: { hostKey: imacKey, privateKey } });
    expect(lima.keys).toEqual([publicKey]);
    expect(warnings).toEqual([]);
    const change = { ...diskInputs(0), mac: connection(moved) };
    expect(plain(await disk.update(diskState, change, context))).toMatchObject({
      identity: plain(diskState)["identity"],
      mac: { address: "192.168.1.20" },
    });
  });

  it("where another Mac answers is refused before anything is told to it", async () => {
    const { state } = await made();
    await expect(mac.update(state, inputs({ address: "mini.local" }), context)).rejects.toThrow(
      /^the Mac admin@mini\.local:22 must show the host key of its first contact, got .* `mac\.hostKey`/,
    );
    expect(account("admin@mini.local").lima.keys).toEqual([]);
    expect(account("admin@imac.local").lima.keys).toEqual([publicKey]);
  });

  it("of another Mac whose key is given ends at the disk, which is not there", async () => {
    const { state, diskState } = await made();
    const moved = await mac.update(state, inputs({ address: "mini.local", hostKey: miniKey }), context);
    const change = disk.update(diskState, { ...diskInputs(0), mac: connection(moved) }, context);
    await expect(change).rejects.toThrow(
      /^`mac` of home-agent-1-data must be where this disk of agent-1 is, got admin@mini\.local:22, where there is none of this name\. .* put the former `mac\.address` and `mac\.user` back \(admin@imac\.local:22\)\. .*docs\/lima\.md$/,
    );
    expect(account("admin@mini.local").lima.disks.size).toBe(0);
  });

  it("where a disk of the name is another's is refused, and one that was carried there is taken", async () => {
    const { state, diskState } = await made();
    const moved = await mac.update(state, inputs({ address: "mini.local", hostKey: miniKey }), context);
    const change = { ...diskInputs(0), mac: connection(moved) };
    const there = account("admin@mini.local").lima.disks;
    const theirs = { sizeGiB: 300, mark: "home agent-1 beef", content: "", instance: "" };
    there.set("home-agent-1-data", theirs);
    await expect(disk.update(diskState, change, context)).rejects.toThrow(
      /where the one of this name is another's/,
    );
    there.set("home-agent-1-data", account("admin@imac.local").lima.disks.get("home-agent-1-data")!);
    expect(plain(await disk.update(diskState, change, context))).toMatchObject({
      mac: { address: "mini.local" },
    });
  });
});

it("a Mac that was installed anew without its user's disks is told as that", async () => {
  const { state, diskState } = await made();
  accounts.set("admin@imac.local", { hostKey: miniKey, lima: newLima() });
  const anew = await mac.update(state, inputs({ ...imac, hostKey: miniKey }), context);
  const change = disk.update(diskState, { ...diskInputs(0), mac: connection(anew) }, context);
  await expect(change).rejects.toThrow(
    /Another Mac answers there than before, or its user's ~\/\.lima was lost\./,
  );
});

describe("the cluster's key", () => {
  const bob = { ...imac, user: "bob" };

  it("leaves the former user's account, where no machine is any more", async () => {
    const { state } = await made();
    await mac.update(state, inputs(bob), context);
    expect(account("bob@imac.local").lima.keys).toEqual([publicKey]);
    expect(account("admin@imac.local").lima.keys).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it("leaves a Mac whose machines run on this machine now", async () => {
    const { state } = await made();
    accounts.set("local", account("admin@imac.local"));
    runs(account("local").lima);
    await mac.update(state, { ...macInputs, place: local }, context);
    expect(account("local").lima.keys).toEqual([]);
  });

  it("stays where machines are, which a wrong user has not, so that the way back is open", async () => {
    const { state } = await made();
    runs(account("admin@imac.local").lima);
    const wrong = await mac.update(state, inputs(bob), context);
    expect(account("admin@imac.local").lima.keys).toEqual([publicKey]);
    expect(warnings).toEqual([
      "virtual machines of the cluster's are at admin@imac.local:22 still: home-agent-1. The cluster's key stays in " +
        "~/.ssh/authorized_keys of admin there: take out the line that ends in homespan-home",
    ]);
    await mac.update(wrong, inputs(imac), context);
    expect(account("bob@imac.local").lima.keys).toEqual([]);
    expect(account("admin@imac.local").lima.keys).toEqual([publicKey]);
  });

  it("stays at a Mac that does not answer, which is told and keeps nobody from another one", async () => {
    const { state } = await made();
    accounts.delete("admin@imac.local");
    const moved = await mac.update(state, inputs({ address: "mini.local", hostKey: miniKey }), context);
    expect(plain(moved)).toMatchObject({ connection: { address: "mini.local" }, reachable: true });
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the Mac admin@imac\.local:22 cannot be reached: no answer within 10 s\..* the line that ends in homespan-home$/,
      ),
    ]);
  });

  it("stays with a user whose Mac was installed anew, or shows a key of another kind", async () => {
    const { state } = await made();
    accounts.set("admin@imac.local", { ...account("admin@imac.local"), hostKey: miniKey });
    await mac.update(state, inputs({ ...imac, hostKey: miniKey }), context);
    expect(account("admin@imac.local").lima.keys).toEqual([publicKey]);
    expect(warnings).toEqual([]);
  });
});
