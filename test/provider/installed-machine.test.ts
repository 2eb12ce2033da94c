/** InstalledMachine: waited for, known by its data whichever installation bears it, and freed of its node. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fingerprint } from "../../provider/logic/ssh-host-key.ts";
import type { Properties } from "../../provider/server/values.ts";
import { CallError, Harness, isSecret, plain, secret } from "./harness.ts";
import { SshMachine, hostKeyPair, privateKey } from "./ssh-machine.ts";

const [first, second] = [hostKeyPair(), hostKeyPair()];
const library = "/usr/local/libexec/homespan";
const data = "/var/lib/homespan/data";

let h: Harness;
let machine: SshMachine;
/** What the machine's scripts were, with their arguments. */
let ran: string[];
/** Of /etc/machine-id. */
let installation: string;
let mark: Readonly<Record<string, string>> | undefined;
let installed: boolean;

beforeEach(async () => {
  h = new Harness();
  machine = new SshMachine();
  ran = [];
  installation = "34e37c21e9a2c7bc00000000000000aa";
  mark = undefined;
  installed = true;
  machine.trouble = answer;
  await Promise.all([h.start(), machine.start(first)]);
});
afterEach(async () => {
  h.stop();
  await machine.stop();
});

const lines = (found: Readonly<Record<string, string>>): string =>
  Object.entries(found)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");

function answer(argv: readonly string[]): { code?: number; stdout?: string; stderr?: string } | undefined {
  if (argv.includes("cat")) {
    expect(argv).toEqual(["env", "LC_ALL=C", "cat", "/etc/machine-id", `${data}/homespan.id`]);
    if (mark !== undefined) return { stdout: `${installation}\n${lines(mark)}` };
    const stderr = `cat: ${data}/homespan.id: No such file or directory\n`;
    return { code: 1, stdout: `${installation}\n`, stderr };
  }
  if (argv.slice(0, 3).join(" ") !== "/bin/sh -s --") return undefined;
  const [place, CLUSTER, NODE, ID] = argv.slice(3);
  expect(place).toBe(library);
  if (CLUSTER === undefined || NODE === undefined || ID === undefined) {
    ran.push("leave");
    mark = undefined;
    return {};
  }
  ran.push(`arrive ${CLUSTER} ${NODE}`);
  if (!installed) return { stdout: "LIBRARY=absent\n" };
  mark ??= { CLUSTER, NODE, ID };
  return { stdout: lines({ LIBRARY: "present", MACHINE_ID: installation.slice(0, 8), ...mark }) };
}

const inputs = (more: Properties = {}): Properties => ({
  ...{ clusterName: "prod", nodeName: "metal-1", address: "127.0.0.1", port: machine.transport().port },
  ...{ user: "admin", privateKey: secret(privateKey), library, data, firstConfiguration: "{}\n" },
  ...more,
});
const create = async (more?: Properties): Promise<Properties> =>
  (await h.create("InstalledMachine", inputs(more))).state;
const refusal = async (work: Promise<unknown>): Promise<CallError> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CallError);
  return error as CallError;
};

describe("the first contact", () => {
  it("begins the node's data with an id of its own, and changes nothing when it is read again", async () => {
    const { id, state } = await h.create("InstalledMachine", inputs());
    expect(id).toBe("prod/metal-1");
    expect(plain(state)).toMatchObject({
      ...{ knownHostKey: first.text, machineId: "34e37c21", reachable: true },
    });
    expect(plain(state)["identity"]).toMatch(/^[0-9a-f]{16}$/);
    expect(mark).toMatchObject({ NODE: "metal-1", ID: plain(state)["identity"] });
    expect(isSecret(state["privateKey"])).toBe(true);
    expect(machine.lines.join("\n")).not.toContain("PRIVATE");
  });

  it("of a machine that is not there ends within its time, with the command and the page", async () => {
    await machine.stop();
    const { message, kept } = await refusal(create({ waitSeconds: 5 }));
    expect(message).toMatch(
      /^metal-1 did not answer by SSH within 5 s: admin@127\.0\.0\.1:\d+: connection refused\. A machine that is not installed yet is installed with what \.\/homespan ignition metal-1 ci prints: docs\/fedora-coreos\.md$/,
    );
    expect(kept).toBeUndefined();
  });

  it("waits while the machine installs itself, and lets nobody in", async () => {
    machine.keys = [];
    const { message } = await refusal(create({ waitSeconds: 5 }));
    expect(message).toContain("does not accept this user with this key");
  });

  it("of a machine with another system says what it has to be installed with", async () => {
    installed = false;
    const { message } = await refusal(create());
    expect(message).toMatch(/must be installed with what \.\/homespan ignition metal-1 ci prints/);
  });

  it("finds this node's data again, and never takes another's", async () => {
    mark = { CLUSTER: "prod", NODE: "metal-1", ID: "f00d" };
    expect(plain(await create())["identity"]).toBe("f00d");
    mark = { CLUSTER: "prod", NODE: "metal-2", ID: "beef" };
    const { message } = await refusal(create());
    expect(message).toContain("must have no other node's data, got that of metal-2 in cluster prod");
  });

  it("with a machine that shows another key than the given one tells it nothing", async () => {
    const { message } = await refusal(create({ hostKey: second.text, waitSeconds: 2 }));
    expect(message).toContain(`must show the key in \`coreos.hostKey\`, got ${fingerprint(first.text)}`);
    expect(machine.lines).toEqual([]);
  });
});

describe("later", () => {
  it("another installation with the same data is the same node on another machine", async () => {
    const state = await create();
    installation = "ffffffffffffffff00000000000000bb";
    const found = (await h.read("InstalledMachine", state)) ?? {};
    expect(plain(found)).toMatchObject({ identity: plain(state)["identity"], reachable: true });
    expect(plain(found)["machineId"]).not.toBe(plain(state)["machineId"]);
  });

  it("a machine that lost its data is gone, and one that is off is not", async () => {
    const state = await create();
    await machine.stop();
    const off = (await h.read("InstalledMachine", state)) ?? {};
    expect(plain(off)).toMatchObject({ reachable: false, identity: plain(state)["identity"] });
    expect(await h.diff("InstalledMachine", off, inputs())).toEqual({ reachable: "update" });
    await machine.start(first);
    mark = undefined;
    expect(await h.read("InstalledMachine", state)).toBeUndefined();
  });

  it.each(["sudo: a password is required\n", "\nno answer within 60 s"])(
    "a machine that does not tell whose data it has is not gone: %j",
    async (stderr) => {
      const state = await create();
      machine.trouble = () => ({ code: 1, stdout: "", stderr });
      const found = (await h.read("InstalledMachine", state)) ?? {};
      expect(plain(found)).toEqual({ ...plain(state), reachable: false });
      await expect(h.delete("InstalledMachine", found)).rejects.toThrow(stderr.trim());
      machine.trouble = answer;
      const { identity } = plain(state);
      expect(await h.read("InstalledMachine", found)).toMatchObject({ identity, reachable: true });
    },
  );

  it("one with other host keys is not spoken to; with the new key given, its data decides", async () => {
    const state = await create();
    await machine.restart(second);
    const found = (await h.read("InstalledMachine", state)) ?? {};
    const { message } = await refusal(h.update("InstalledMachine", found, inputs()));
    expect(message).toContain(`must show the host key of its first contact, got ${fingerprint(second.text)}`);
    expect(message).toContain("./homespan recreate ci --node metal-1");
    const known = await h.update("InstalledMachine", found, inputs({ hostKey: second.text }));
    expect(plain(known)).toMatchObject({ knownHostKey: second.text, identity: plain(state)["identity"] });
    // Without its data it is not the node, whoever vouches for it.
    mark = undefined;
    const empty = await refusal(h.update("InstalledMachine", found, inputs({ hostKey: second.text })));
    expect(empty.message).toContain("has other data than the node's");
  });

  it("another first configuration is an update that says when it takes effect", async () => {
    const state = await create();
    const news = inputs({ firstConfiguration: '{"new":true}\n' });
    expect(await h.diff("InstalledMachine", state, news)).toEqual({ firstConfiguration: "update" });
    expect(plain(await h.update("InstalledMachine", state, news))).toMatchObject({
      firstConfiguration: '{"new":true}\n',
    });
  });
});

describe("removal", () => {
  it("takes the node off the machine, which can become one again", async () => {
    const state = await create();
    await h.delete("InstalledMachine", state);
    expect(ran.at(-1)).toBe("leave");
    expect(plain(await create())["identity"]).not.toBe(plain(state)["identity"]);
  });

  it.each([
    ["that is off", () => machine.stop()],
    ["in whose place another one answers", () => machine.restart(second)],
  ])("of a machine %s succeeds, and touches nothing", async (_what, change) => {
    const state = await create();
    const before = ran.length;
    h.ssh.close();
    await change();
    await h.delete("InstalledMachine", state);
    expect(ran).toHaveLength(before);
  });
});
