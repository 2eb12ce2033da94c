/**
 * What kube-bench's profile finds wanting on a node, and why it stays so: each looked at by hand. docs/hardening.md shows the same
 * list (exceptions.test.ts), and the rehearsal fails on a finding that is not here as well as on one that is here and is none.
 */
export interface CisException {
  /** The check's number in the profile. */
  readonly id: string;
  /** The nodes on which it is found. */
  readonly on: "servers" | "agents" | "all";
  readonly reason: string;
}

const inKubeletsFile =
  "k3s has this in the kubelet's configuration file since v1.32, and the profile looks for an argument; the running kubelet is asked for it instead.";

export const cisExceptions: readonly CisException[] = [
  {
    id: "1.1.20",
    on: "servers",
    reason:
      "Certificates are public: k3s writes them for all to read, into a directory that root alone may enter; their keys are checked by 1.1.21.",
  },
  {
    id: "1.2.11",
    on: "servers",
    reason:
      "AlwaysPullImages makes every start of a pod depend on the registry, so a node whose images are there could start nothing without it; CIS allows that.",
  },
  {
    id: "1.2.21",
    on: "servers",
    reason: "The API server's own limit of 60 s for a request stays, as CIS prefers it.",
  },
  { id: "4.2.1", on: "all", reason: `No anonymous requests: ${inKubeletsFile}` },
  { id: "4.2.2", on: "all", reason: `Requests are authorized by the API: ${inKubeletsFile}` },
  { id: "4.2.3", on: "all", reason: `Clients are known by the cluster's CA: ${inKubeletsFile}` },
  { id: "4.2.9", on: "all", reason: `A certificate of the cluster's CA: ${inKubeletsFile}` },
];
