/** One AWS account in one rehearsal, as a plugin process sees it. */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { withLock } from "../../../toolchain/locks.ts";
import { readWorld } from "../../world.ts";
import type { FoundMachine, Machines } from "../../machines/machines.ts";
import { ObjectFolders, type ObjectStore } from "../../objects/object-folders.ts";
import type { Books } from "../shared/books.ts";
import { Faults } from "../shared/faults.ts";
import { type AwsBooks, openAwsBooks } from "./books.ts";
import type { ProviderSettings } from "./config.ts";

/** The account number AWS's own examples have. */
export const accountId = "123456789012";

export interface Account {
  readonly books: Books<AwsBooks>;
  readonly faults: Faults;
  readonly machines: Machines;
  /** What is behind buckets. */
  readonly objects: ObjectStore;
  /** Written by the plugin's Configure. */
  readonly settings: ProviderSettings;
  /** Public addresses of the rehearsal, `198.18.3.0/24`. */
  publicRange(): Promise<string>;
  now(): Date;
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** One work on an instance's firewall at a time, over all processes: what is in the books and what is in force change together. */
  alone<T>(instanceName: string, work: () => Promise<T>): Promise<T>;
}

/** The account whose books are in this folder; touches nothing. */
export function openAccount(folder: string, machines: Machines): Account {
  return {
    books: openAwsBooks(folder),
    faults: new Faults(folder),
    machines,
    objects: new ObjectFolders(folder, machines),
    settings: { region: "", defaultTags: {} },
    publicRange: async () => (await readWorld(folder)).publicRange,
    now: () => new Date(),
    pause: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
    alone: (instanceName, work) =>
      withLock(join(folder, "locks"), `ports-${instanceName}`, work, { fromDead: true, pollMs: 15 }),
  };
}

/** How long one look at a machine serves everyone: every resource of an instance asks for it when a stack is refreshed. */
const LOOK_MS = 1000;
const looks = new WeakMap<Account, Map<string, { at: number; found: Promise<FoundMachine | undefined> }>>();

/** The machine behind an instance; `undefined` when it is gone. */
export function findMachine(account: Account, name: string): Promise<FoundMachine | undefined> {
  const mine =
    looks.get(account) ?? new Map<string, { at: number; found: Promise<FoundMachine | undefined> }>();
  looks.set(account, mine);
  const last = mine.get(name);
  if (last !== undefined && account.now().getTime() - last.at < LOOK_MS) return last.found;
  const found = account.machines.find(name);
  mine.set(name, { at: account.now().getTime(), found });
  found.catch(() => mine.delete(name));
  return found;
}

/** After a machine was made or removed. */
export function forgetLook(account: Account, name: string): void {
  looks.get(account)?.delete(name);
}
