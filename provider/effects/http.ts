import type { RequestOptions } from "node:http";

/**
 * `node:http` without its ES module. To make that, Node reads every property of it, and behind one of them is the whole of
 * undici: a sixth of what this provider takes to load (`lazyUndici` in Node's lib/http.js).
 */
export const { Agent, request } = process.getBuiltinModule("node:http");

/** One that takes the connection runs, however slow the machine is. */
const ANSWER_MILLISECONDS = 15_000;

/** Whether a service of this machine gives 200 to a GET. */
export function givesOk(where: RequestOptions, milliseconds = ANSWER_MILLISECONDS): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request({ ...where, timeout: milliseconds }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => {
      resolve(false);
    });
    outgoing.end();
  });
}
