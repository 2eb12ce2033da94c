/**
 * Faults a stand-in cloud is told to have: `faults.json` in the rehearsal's folder, a list that whoever meets a fault takes it
 * from. Two processes never meet the same one.
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Books } from "./books.ts";

const faultSchema = z.strictObject({
  /** The service's own name of a call, `CreateInstances`. */
  operation: z.string().min(1),
  /** Part of the name of what the call is about; without it every one is meant. */
  match: z.string().optional(),
  /** One of the kinds the cloud knows beside errors, `timeout`, or the service's name of an error, `ThrottlingException`. */
  error: z.string().min(1),
  /** How many calls meet it. */
  times: z.number().int().positive().default(1),
});

const metSchema = z.strictObject({
  /** ISO 8601. */
  at: z.string(),
  operation: z.string(),
  /** What the call was about. */
  subject: z.string(),
  error: z.string(),
});

/** One line of faults-met.json: a call that met a fault. */
export type MetFault = z.output<typeof metSchema>;

/** The latest of them are kept: a fault may be ordered for thousands of calls. */
const remembered = 200;

/** One line of faults.json. */
export type Fault = z.output<typeof faultSchema>;

/** A fault as one orders it: what has a default may be left out. */
export type FaultOrder = z.input<typeof faultSchema>;

/** The faults that are still to be met, and those that were. */
export class Faults {
  readonly #path: string;
  readonly #list: Books<Fault[]>;
  readonly #met: Books<MetFault[]>;

  constructor(folder: string) {
    this.#path = join(folder, "faults.json");
    this.#list = new Books<Fault[]>(this.#path, z.array(faultSchema), () => []);
    this.#met = new Books<MetFault[]>(join(folder, "faults-met.json"), z.array(metSchema), () => []);
  }

  /** Orders faults; those that are there already are met first. */
  async add(...orders: readonly FaultOrder[]): Promise<void> {
    const faults = orders.map((order) => faultSchema.parse(order));
    await this.#list.change((list) => list.push(...faults));
  }

  /** Those that nobody has met yet. */
  async pending(): Promise<readonly Fault[]> {
    return this.#list.read();
  }

  /** Calls that met one, the latest last. */
  async met(): Promise<readonly MetFault[]> {
    return this.#met.read();
  }

  /** Forgets all of them, met or not. */
  async clear(): Promise<void> {
    await this.#list.change((list) => list.splice(0));
    await this.#met.change((list) => list.splice(0));
  }

  /**
   * Takes the fault that this call meets; `undefined`: none.
   *
   * @param subject - what a fault's `match` is looked for in
   * @param about - what is remembered of it
   */
  async take(operation: string, subject: string, about = subject): Promise<string | undefined> {
    // Most calls meet none: they wait for no lock.
    if (
      !(await access(this.#path).then(
        () => true,
        () => false,
      ))
    )
      return undefined;
    const isMet = (fault: Fault): boolean =>
      fault.operation === operation && subject.includes(fault.match ?? "");
    if (!(await this.#list.read()).some(isMet)) return undefined;
    const error = await this.#list.change((list) => {
      const index = list.findIndex(isMet);
      const fault = list[index];
      if (fault === undefined) return undefined;
      if (fault.times > 1) list[index] = { ...fault, times: fault.times - 1 };
      else list.splice(index, 1);
      return fault.error;
    });
    if (error !== undefined) {
      const met = { at: new Date().toISOString(), operation, subject: about, error };
      await this.#met.change((list) => {
        list.push(met);
        list.splice(0, list.length - remembered);
      });
    }
    return error;
  }
}
