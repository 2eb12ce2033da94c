/** A Mac that runs virtual machines: looked at before any is made, and let the cluster's key in at the first contact. */
import type { z } from "zod";
import { describeMachineProblems } from "../../components/render/machine-check.ts";
import type { LimaInstance } from "../../components/render/lima-list.ts";
import { judgeLimaMac, limaDriverFor } from "../../components/render/lima-mac.ts";
import type { Effects } from "../effects/effects.ts";
import { MacAway, macText } from "../effects/macs.ts";
import type { SshLogin } from "../effects/ssh-connection.ts";
import { SshFailure, type SshReason, placeOf } from "../effects/ssh-failure.ts";
import { userKeyVariable } from "../effects/user-keys.ts";
import { waitFor } from "../effects/wait.ts";
import { sameHostKey } from "../logic/ssh-host-key.ts";
import { type Mac, limaMacInputs, limaMacOutputs } from "../schema/lima.ts";
import { type CallContext, resource } from "../server/resource.ts";

type Settings = z.output<typeof limaMacInputs>;
type State = z.output<typeof limaMacOutputs>;

interface Contact {
  /** By a key that it takes already. */
  readonly first: Mac;
  /** By the cluster's key, from now on. */
  readonly connection: Mac;
}

/** What passes by itself with a Mac that wakes up, or a network that stumbles. */
const PASSING: readonly SshReason[] = ["refused", "silent", "lost"];

export function limaMac({
  lima,
  ssh,
  userLogins,
  clock,
}: Pick<Effects, "lima" | "ssh" | "userLogins" | "clock">) {
  /** The first login that the Mac takes, with the host key it showed. */
  const contact = async (
    inputs: Settings,
    known: string | undefined,
    { signal, timeoutSeconds }: CallContext,
  ): Promise<Contact> => {
    const { place, privateKey, publicKey } = inputs;
    if (place.kind === "local") return { first: place, connection: place };
    const { address, port, user } = place;
    const hostKey = place.hostKey ?? known;
    const own: SshLogin = {
      ...{ kind: "ssh", address, port, user, privateKey },
      ...(hostKey === undefined ? {} : { hostKey }),
    };
    const logins = [own, ...(await userLogins(own))];
    const seconds = timeoutSeconds > 0 ? timeoutSeconds : inputs.waitSeconds;
    let last: MacAway | undefined;
    const attempt = async (): Promise<{ readonly login: SshLogin; readonly shown: string } | undefined> => {
      for (const login of logins) {
        try {
          return { login, shown: await ssh.hostKey(login) };
        } catch (error) {
          last = away(own, error, place.hostKey);
          if (last.failure.reason === "denied") continue;
          if (!PASSING.includes(last.failure.reason)) throw last;
          return undefined;
        }
      }
      throw new Error(
        `the Mac ${placeOf(own)} must take the cluster's key or one of yours, and takes neither. Name yours in ${userKeyVariable} ` +
          `(a file without a passphrase), or give it to an ssh-agent (ssh-add), and run again; or put this line into ` +
          `~/.ssh/authorized_keys of ${user} there:\n${publicKey}`,
      );
    };
    const options = { seconds, signal, clock, firstMilliseconds: 1000, maximumMilliseconds: 3000 };
    const answered = await waitFor(attempt, options);
    if (answered === undefined) {
      throw new Error(`within ${seconds} s ${last?.message ?? `the Mac ${placeOf(own)} did not answer`}`);
    }
    const { login, shown } = answered;
    const connection: Mac = { kind: "ssh", address, port, user, privateKey, hostKey: shown };
    return { first: login === own ? connection : { ...login, hostKey: shown }, connection };
  };

  /** Looks, and lets the cluster's key in where nothing is wrong. */
  const enter = async (inputs: Settings, known: string | undefined, context: CallContext) => {
    const { first, connection } = await contact(inputs, known, context);
    const { facts, present } = await look(inputs, first, context);
    if (first !== connection) await lima.authorize(first, inputs.publicKey);
    return { connection, facts, present };
  };

  /** All that is wrong, before anything is made. */
  const look = async (inputs: Settings, mac: Mac, context: CallContext) => {
    const { network, startAt, machines, driver } = inputs;
    const vmnet = network.kind === "vmnet" ? network.name : undefined;
    const facts = await lima.facts(mac, [
      ...(vmnet === undefined ? [] : ["vmnet"]),
      ...(startAt === "off" ? [] : [startAt]),
    ]);
    const own = new Set(machines.map(({ name }) => name));
    // Without Lima there are none, and that is said below.
    const present = (facts["LIMA"] ?? "") === "" ? [] : await lima.instances(mac);
    const others = present
      .filter(({ name }) => !own.has(name))
      .map((it) => ({ ...it, running: it.status === "Running" }));
    const checks = judgeLimaMac(facts, { driver, vmnet, startAt, machines, others });
    const problems = describeMachineProblems(checks);
    if (problems.length > 0) {
      throw new Error(
        `virtual machines cannot run on ${macText(mac)} yet; nothing was made there:\n` +
          problems.map((line) => `  - ${line}`).join("\n"),
      );
    }
    for (const { message, fix } of checks.filter(({ result }) => result === "notice")) {
      await context.warn?.(`${macText(mac)}: ${message}${fix === undefined ? "" : ` (${fix})`}`);
    }
    return { facts, present };
  };

  /**
   * Takes the cluster's key out where nobody logs in by it any more. It may fail, and takes two commands' time at most: a place
   * that is off or gone keeps nobody from another one.
   */
  const retire = async (
    { connection: former, publicKey, machines }: State,
    present: readonly LimaInstance[],
    { warn }: CallContext,
  ): Promise<void> => {
    if (former.kind === "local") return;
    let why: string;
    try {
      const here = new Set(present.map(({ name }) => name));
      const own = new Set(machines.map(({ name }) => name).filter((name) => !here.has(name)));
      // Who came here by mistake goes back to them, and is refused by their disks' resources in this same run.
      const left = (await lima.instances(former)).map(({ name }) => name).filter((name) => own.has(name));
      if (left.length === 0) {
        await lima.forbid(former, publicKey);
        return;
      }
      why = `virtual machines of the cluster's are at ${macText(former)} still: ${left.join(", ")}`;
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    await warn?.(`${why}. ${keyStays(former, publicKey)}`);
  };

  return resource({
    type: "homespan:index:LimaMac",
    inputs: limaMacInputs,
    outputs: limaMacOutputs,
    secretOutputs: ["privateKey", "connection"],
    replaceOn: ["clusterName"],
    createOnly: ["waitSeconds"],
    drift: (state) => (state.reachable ? [] : ["reachable"]),
    async create(inputs, context) {
      const { connection, facts } = await enter(inputs, undefined, context);
      const vmType = inputs.driver ?? limaDriverFor(facts);
      return { id: macText(connection), outputs: { ...inputs, connection, vmType, reachable: true } };
    },
    async read(state): Promise<State> {
      if (state.connection.kind === "local") return { ...state, reachable: true };
      try {
        await ssh.hostKey(state.connection, { connectSeconds: 5 });
        return { ...state, reachable: true };
      } catch (error) {
        away(state.connection, error, undefined);
        return { ...state, reachable: false };
      }
    },
    async update(state, inputs, context) {
      const { connection: former } = state;
      // A Mac keeps its host key when its address changes.
      const known = former.kind === "ssh" ? former.hostKey : undefined;
      const { connection, facts, present } = await enter(inputs, known, context);
      if (!isSameAccount(former, connection)) await retire(state, present, context);
      const sticky = state.driver === inputs.driver && isSameMac(former, connection);
      const vmType = inputs.driver ?? (sticky ? state.vmType : limaDriverFor(facts));
      return { ...inputs, connection, vmType, reachable: true };
    },
    async delete({ connection, publicKey }, _id, { warn }) {
      if (connection.kind === "local") return;
      try {
        await lima.forbid(connection, publicKey);
      } catch (error) {
        if (!(error instanceof MacAway)) throw error;
        await warn?.(`${error.message}. ${keyStays(connection, publicKey)}`);
      }
    },
  });
}

function keyStays({ user }: SshLogin, publicKey: string): string {
  const end = publicKey.trim().split(" ").at(-1) ?? "";
  return `The cluster's key stays in ~/.ssh/authorized_keys of ${user} there: take out the line that ends in ${end}`;
}

/** Also for a Mac that was installed anew, or shows a key of another kind: what would be taken out is what lets us in now. */
function isSameAccount(former: Mac, now: Mac): boolean {
  if (former.kind === "local" || now.kind === "local") return former.kind === now.kind;
  return former.user === now.user && (isSameMac(former, now) || placeOf(former) === placeOf(now));
}

function isSameMac(former: Mac, now: Mac): boolean {
  if (former.kind === "local" || now.kind === "local") return former.kind === now.kind;
  return sameHostKey(former.hostKey ?? "", now.hostKey ?? "");
}

/**
 * @param given - the host key in the configuration
 * @throws what is no failure of SSH
 */
function away(mac: SshLogin, error: unknown, given: string | undefined): MacAway {
  if (!(error instanceof SshFailure)) throw error;
  const rule =
    given === undefined ? "show the host key of its first contact" : "show the key in `mac.hostKey`";
  return new MacAway(mac, error, rule);
}
