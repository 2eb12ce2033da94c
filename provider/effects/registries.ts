/** Image registries on this machine, asked over HTTP. */
import { request } from "./http.ts";

export interface Registries {
  /** Whether one answers on that port of 127.0.0.1. */
  answer(port: number): Promise<boolean>;
}

/** One that takes the connection runs, however slow the machine is. */
const ANSWER_MILLISECONDS = 15_000;

/** {@link Registries} by the question every client begins with. https://distribution.github.io/distribution/spec/api/#api-version-check */
export class LoopbackRegistries implements Registries {
  answer(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const outgoing = request(
        { host: "127.0.0.1", port, path: "/v2/", timeout: ANSWER_MILLISECONDS },
        (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        },
      );
      outgoing.on("timeout", () => outgoing.destroy());
      outgoing.on("error", () => {
        resolve(false);
      });
      outgoing.end();
    });
  }
}
