import type { Properties } from "./values.ts";

/** A failure whose object exists nevertheless: it is kept in the state so that a later run repairs or removes it. */
export class PartialFailure extends Error {
  readonly id: string;
  readonly outputs: Properties;
  constructor(message: string, id: string, outputs: Properties) {
    super(message);
    this.id = id;
    this.outputs = outputs;
  }
}
