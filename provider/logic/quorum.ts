/** Whether an etcd member may leave. */

/** One server that carries an etcd member. */
export interface Voter {
  readonly name: string;
  readonly healthy: boolean;
  /** A learner does not vote yet. */
  readonly voting: boolean;
}

/** How many of `voters` have to answer. */
export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** True when the others have a majority of today's voters among themselves: with `leaving` stopped etcd can still decide. */
export function isDispensable(members: readonly Voter[], leaving: string): boolean {
  const voters = members.filter((member) => member.voting);
  const others = voters.filter((member) => member.name !== leaving && member.healthy);
  return others.length >= quorumOf(voters.length);
}

function listText(members: readonly Voter[]): string {
  return members.length === 0
    ? "none"
    : members.map((m) => `${m.name} (${m.healthy ? "Ready" : "not Ready"})`).join(", ");
}

function downText(members: readonly Voter[]): string {
  const down = members.filter((member) => !member.healthy).map((member) => member.name);
  return down.length < 2 ? down.join() : `one of ${down.join(", ")}`;
}

/**
 * Why `leaving` must stay, or `undefined` when it may go: the change itself needs a majority of today's voters,
 * and the voters that remain need one among themselves.
 */
export function removalRefusal(members: readonly Voter[], leaving: string): string | undefined {
  const voters = members.filter((member) => member.voting);
  if (!voters.some((member) => member.name === leaving)) return undefined;
  const healthyNow = voters.filter((member) => member.healthy).length;
  const remaining = voters.filter((member) => member.name !== leaving);
  const healthyLater = remaining.filter((member) => member.healthy).length;
  if (remaining.length === 0) {
    return `${leaving} must not be removed: it is the last etcd member; destroy the whole stack, or add servers first`;
  }
  if (healthyNow < quorumOf(voters.length)) {
    return (
      `${leaving} must not be removed while etcd has no quorum: ${String(healthyNow)} of ${String(voters.length)} ` +
      `voters are Ready, ${String(quorumOf(voters.length))} are needed: ${listText(voters)}. Start ` +
      `${downText(voters)} again`
    );
  }
  if (healthyLater < quorumOf(remaining.length)) {
    return (
      `${leaving} must not be removed: of the remaining etcd voters ${String(healthyLater)} would be Ready, ` +
      `${String(quorumOf(remaining.length))} are needed: ${listText(remaining)}. Start ${downText(remaining)} again, ` +
      `or remove it first; then run again`
    );
  }
  return undefined;
}
