/** Image registries on this machine, asked over HTTP. */
import { givesOk } from "./http.ts";

export interface Registries {
  /** Whether one answers on that port of 127.0.0.1. */
  answer(port: number): Promise<boolean>;
}

/** {@link Registries} by the question every client begins with. https://distribution.github.io/distribution/spec/api/#api-version-check */
export class LoopbackRegistries implements Registries {
  answer(port: number): Promise<boolean> {
    return givesOk({ host: "127.0.0.1", port, path: "/v2/" });
  }
}
