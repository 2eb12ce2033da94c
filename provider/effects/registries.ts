/** Image registries on this machine, asked over HTTP. */
import { givesOk } from "./http.ts";

export interface Registries {
  /** Whether one answers on that port of 127.0.0.1. */
  answer(port: number): Promise<boolean>;
}

/** A connection from before the port leads into the container is taken by whoever keeps the port for it, and never answered. */
const ANSWER_MILLISECONDS = 3000;

/** {@link Registries} by the question every client begins with. https://distribution.github.io/distribution/spec/api/#api-version-check */
export class LoopbackRegistries implements Registries {
  answer(port: number): Promise<boolean> {
    return givesOk({ host: "127.0.0.1", port, path: "/v2/", agent: false }, ANSWER_MILLISECONDS);
  }
}
