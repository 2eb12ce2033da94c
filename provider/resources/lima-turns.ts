/**
 * Restarts of the virtual machines of one Mac: one after the other, the next one when the node of the former is Ready again.
 * Pulumi updates all of them at once.
 */
import type { Mac } from "../schema/lima.ts";
import { macText } from "../effects/macs.ts";

/** Waits for a node that was restarted; says why it is not back when the time is over. */
export type Back = () => Promise<string | undefined>;

export interface Done<T> {
  readonly result: T;
  /** Waited for by whoever comes next. */
  readonly back: Back;
}

export interface LimaTurns {
  /**
   * @param work - restarts the machine.
   * @throws when one that had its turn before did not come back: this one stays as it is.
   */
  take<T>(mac: Mac, nodeName: string, work: () => Promise<Done<T>>): Promise<T>;
}

interface Turn {
  readonly nodeName: string;
  readonly back: Back;
}

/** Not touched, because of another one. */
class LeftAlone extends Error {
  readonly former: Turn;
  constructor(message: string, nodeName: string, why: string) {
    super(message);
    this.former = { nodeName, back: () => Promise.resolve(why) };
  }
}

export function limaTurns(): LimaTurns {
  /** The last turn on each Mac. */
  const last = new Map<string, Promise<Turn>>();
  return {
    async take(mac, nodeName, work) {
      const place = macText(mac);
      const before = last.get(place);
      const turn = async () => {
        const former = await before;
        const why = await former?.back();
        if (former !== undefined && why !== undefined) {
          throw new LeftAlone(
            `${nodeName} was left as it is: virtual machines of ${place} restart one at a time, and ${former.nodeName} is not ` +
              `Ready again: ${why}`,
            former.nodeName,
            why,
          );
        }
        return { nodeName, ...(await work()) };
      };
      const mine = turn();
      last.set(
        place,
        mine.catch((error: unknown) =>
          error instanceof LeftAlone
            ? error.former
            : { nodeName, back: () => Promise.resolve("its own change failed") },
        ),
      );
      return (await mine).result;
    },
  };
}
