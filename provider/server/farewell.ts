/** When the server of several starts of the plugin may end (pulumi-resource-homespan). */
import type grpc from "@grpc/grpc-js";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MILLISECONDS = 10;

/**
 * The engine says Cancel to each start and interrupts it, all at the same time. A server that ends at the first interrupt
 * leaves the Cancel of the others unanswered, which the engine then reports as a crash.
 */
export class Farewell {
  /** Each start is a connection of its own. */
  readonly #staying = new Set<string>();

  /** The same handlers, with an eye on who calls. */
  watch(handlers: grpc.UntypedServiceImplementation): grpc.UntypedServiceImplementation {
    const watched = Object.entries(handlers).map(([name, handle]) => {
      const noted = (call: grpc.ServerUnaryCall<unknown, unknown>, callback: grpc.sendUnaryData<unknown>) => {
        if (name === "cancel") this.#staying.delete(call.getPeer());
        else this.#staying.add(call.getPeer());
        (handle as grpc.handleUnaryCall<unknown, unknown>)(call, callback);
      };
      return [name, noted];
    });
    return Object.fromEntries(watched) as grpc.UntypedServiceImplementation;
  }

  /** Waits until all have said Cancel and were answered, for so long at most. */
  async said(milliseconds: number): Promise<void> {
    const end = Date.now() + milliseconds;
    while (this.#staying.size > 0 && Date.now() < end) await sleep(POLL_MILLISECONDS);
    // The last answer is on its way.
    await sleep(POLL_MILLISECONDS);
  }
}
