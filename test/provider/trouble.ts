/** What goes wrong in the fakes, and how a node comes back. */
import type { Finished, RunOptions } from "../../provider/effects/process.ts";
import type { Harness } from "./harness.ts";

/** Has the API answer with this status to the next calls that begin with this text, as long as `during` says so. */
export function refuse(
  h: Harness,
  call: string,
  status: number,
  times = 1,
  during: () => boolean = () => true,
): void {
  const connect = h.kubernetes.connect.bind(h.kubernetes);
  let left = times;
  h.kubernetes.connect = async (access) => {
    const api = await connect(access);
    return {
      call: (verb, path, body) => {
        if (left === 0 || !`${verb} ${path}`.startsWith(call) || !during()) return api.call(verb, path, body);
        left -= 1;
        return Promise.resolve({ status, body: { message: "etcdserver: leader changed" } });
      },
    };
  };
}

/** Calls `seen` for each program that runs in a container; an answer of its own takes the place of the fake's. */
export function onExec(
  h: Harness,
  seen: (container: string, script: string, argv: readonly string[]) => Finished | undefined,
): void {
  const exec = h.podman.exec.bind(h.podman);
  h.podman.exec = (container: string, argv: readonly string[], options?: RunOptions) => {
    const answer = seen(container, argv[0]?.split("/").at(-1) ?? "", argv);
    return answer === undefined ? exec(container, argv, options) : Promise.resolve(answer);
  };
}

/** A stage file of a node that is Ready since then. */
export function readyStages(startedAt = "2026-11-21T11:00:00.000Z"): string {
  return JSON.stringify({ stages: [{ name: "ready", state: "done", attempts: 1, startedAt }] });
}
