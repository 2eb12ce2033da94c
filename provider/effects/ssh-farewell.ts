/** Whether a machine that is about to be removed can still be told so. */
import type { SshTransport } from "../schema/common.ts";
import { SshFailure, type SshReason } from "./ssh-failure.ts";
import type { Ssh } from "./ssh.ts";
import { type Clock, waitFor } from "./wait.ts";

/** It may just be starting. */
const FAREWELL_SECONDS = 20;
const QUESTION_SECONDS = 5;
const PASSING: readonly SshReason[] = ["refused", "silent", "lost"];

/** True for what passes by itself with a machine that starts, or a network that stumbles. */
export function passes({ reason }: SshFailure): boolean {
  return PASSING.includes(reason);
}

/** Why the machine cannot be reached, or `undefined` when it can. */
export async function whyUnreachable(
  { ssh, clock }: { readonly ssh: Ssh; readonly clock: Clock },
  transport: SshTransport,
  signal: AbortSignal,
): Promise<string | undefined> {
  let last = "no answer";
  const attempt = async (): Promise<{ readonly reason: string | undefined } | undefined> => {
    try {
      await ssh.hostKey(transport, { connectSeconds: QUESTION_SECONDS });
      return { reason: undefined };
    } catch (error) {
      if (!(error instanceof SshFailure)) throw error;
      last = error.message;
      if (passes(error)) return undefined;
      return { reason: error.reason === "denied" ? last : "another machine answers there" };
    }
  };
  const options = { seconds: FAREWELL_SECONDS, signal, clock, firstMilliseconds: 500 };
  const answered = await waitFor(attempt, options);
  return answered === undefined ? last : answered.reason;
}
