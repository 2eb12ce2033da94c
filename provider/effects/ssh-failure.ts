/** Why a machine could not be reached by SSH, or not to the end. */
import { fingerprint } from "../logic/ssh-host-key.ts";
import type { SshTransport } from "../schema/common.ts";

/**
 * - `refused`: the machine is there, and nothing listens on the port (yet)
 * - `silent`: no answer in time, or no way there
 * - `denied`: user or key is not accepted (yet)
 * - `lost`: the connection ended before the answer was complete
 * - `other-machine`: another host key than the known one
 */
export type SshReason = "refused" | "silent" | "denied" | "lost" | "other-machine";

export class SshFailure extends Error {
  readonly reason: SshReason;
  /** The host key of another machine than the known one. */
  readonly shown: string | undefined;
  constructor(transport: SshTransport, reason: SshReason, text: string, shown?: string) {
    super(`${placeOf(transport)}: ${text}`);
    this.reason = reason;
    this.shown = shown;
  }
}

/** A connection that was lost before it took the command: the command was not run. */
export class NotStarted extends SshFailure {
  constructor(transport: SshTransport, text: string) {
    super(transport, "lost", text);
  }
}

/** `admin@203.0.113.10:22`, and what is on the way there. */
export function placeOf({
  user,
  address,
  port,
  via,
}: Pick<SshTransport, "user" | "address" | "port" | "via">): string {
  const place = `${user}@${address.includes(":") ? `[${address}]` : address}:${String(port)}`;
  return via === undefined ? place : `${place} (by way of ${placeOf(via)})`;
}

/** The failure for a host key that is not the known one. Nothing was sent to that machine, not even who asked. */
export function otherMachine(transport: SshTransport, shown: string): SshFailure {
  return new SshFailure(
    transport,
    "other-machine",
    `the machine must show the host key ${fingerprint(transport.hostKey ?? "")} of its first contact, got ` +
      `${fingerprint(shown)}. Another machine answers there, or this one's host keys were made anew, or someone is in ` +
      `between. If you know why, replace this node's MachineBoot (pulumi up --replace URN), which trusts the machine ` +
      `anew; otherwise find out first`,
    shown,
  );
}

interface RawError {
  readonly message?: string;
  readonly code?: unknown;
  /** Where in ssh2 it came from. */
  readonly level?: string;
  /** Why a machine on the way did not open the connection. */
  readonly reason?: unknown;
}

/** RFC 4254, section 5.1: SSH_OPEN_CONNECT_FAILED. */
const OPEN_CONNECT_FAILED = 2;

/**
 * What a failed attempt to connect means.
 *
 * @param seconds - what it was given
 */
export function connectFailure(transport: SshTransport, error: unknown, seconds: number): SshFailure {
  const { message = "", code, level, reason } = error as RawError;
  const failure = (reason: SshReason, text: string) => new SshFailure(transport, reason, text);
  if (level === "client-authentication") {
    return failure("denied", "the machine does not accept this user with this key");
  }
  if (level === "client-timeout") {
    return failure("silent", `it takes the connection, but nobody is logged in within ${String(seconds)} s`);
  }
  if (code === "ETIMEDOUT") return failure("silent", `no answer within ${String(seconds)} s`);
  if (reason === OPEN_CONNECT_FAILED) return failure("refused", "connection refused");
  switch (code) {
    case "ECONNREFUSED":
      return failure("refused", "connection refused");
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
      return failure("silent", "there is no way to this address");
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failure("silent", "this name has no address");
    default:
      return failure("lost", `the connection was lost (${message})`);
  }
}
