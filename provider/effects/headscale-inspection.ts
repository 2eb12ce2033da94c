/** Looks at a Headscale server that is not a cluster's own, before anything is made: it changes nothing. */
import type { Agent } from "node:https";
import { leastHeadscale } from "../../components/upstream/headscale.ts";
import type { HeadscaleServerRef } from "../schema/common.ts";
import { type Answer, Silent, askFar, farAgent } from "./headscale-api.ts";

/** What keeps a stack from the server. */
export type HeadscaleFinding =
  /** Nothing answers. */
  | { readonly kind: "silent"; readonly reason: string }
  /** Its certificate is not trusted, or not its own. */
  | { readonly kind: "untrusted"; readonly reason: string }
  /** What answers is no Headscale, or one in trouble. */
  | { readonly kind: "strange"; readonly reason: string }
  | { readonly kind: "old"; readonly version: string }
  /** It does not know the key. */
  | { readonly kind: "refused" };

export interface HeadscaleInspection {
  readonly findings: readonly HeadscaleFinding[];
  /** The policy in force; "" for none, undefined where it was not told. */
  readonly policy: string | undefined;
  /** Its policy is kept in a file, which the API does not change. */
  readonly policyInFile: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/;
const NO_POLICY = /policy not found/i;
/** GetPolicy in hscontrol/grpcv1.go. */
const UNREADABLE_FILE = /reading policy from/i;

/** @param apiKey "" for none: what it would tell is not asked then */
export async function inspectHeadscale(
  ref: HeadscaleServerRef,
  apiKey: string,
  environment: Environment,
): Promise<HeadscaleInspection> {
  const agent = farAgent(ref, environment);
  try {
    const trouble = await lookAtServer(agent, ref.url);
    const told = { policy: undefined, policyInFile: false };
    const reached = trouble.every(({ kind }) => kind === "old");
    if (!reached || apiKey === "") return { findings: trouble, ...told };
    const known = await askWithKey(agent, ref.url, apiKey);
    return { ...known, findings: [...trouble, ...known.findings] };
  } catch (error) {
    return { findings: [notReached(error)], policy: undefined, policyInFile: false };
  } finally {
    agent.destroy();
  }
}

async function lookAtServer(agent: Agent, url: string): Promise<HeadscaleFinding[]> {
  const { status, body } = await askFar(agent, new URL("/version", url));
  const version = (body as { version?: unknown } | null)?.version;
  if (status === 200 && typeof version === "string") {
    return isOld(version) ? [{ kind: "old", version }] : [];
  }
  // Releases before 0.27 tell their version to nobody, and all tell whether they are well.
  const health = await askFar(agent, new URL("/health", url));
  const well = health.status === 200 && (health.body as { status?: unknown } | null)?.status === "pass";
  return well
    ? [{ kind: "old", version: "one that does not tell its version" }]
    : [{ kind: "strange", reason: `HTTP ${String(status)} for /version` }];
}

/** A build of one's own tells no number, and is its builder's to know. */
function isOld(version: string): boolean {
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major < leastHeadscale[0] || (major === leastHeadscale[0] && minor < leastHeadscale[1]);
}

async function askWithKey(agent: Agent, url: string, apiKey: string): Promise<HeadscaleInspection> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const { status, body } = await askFar(agent, new URL("/api/v1/policy", url), headers);
  const nothing = { findings: [], policy: undefined, policyInFile: false };
  if (status === 200) return { ...nothing, policy: (body as { policy?: string } | null)?.policy ?? "" };
  if (status === 401) return { ...nothing, findings: [{ kind: "refused" }] };
  const said = saidIn({ status, body });
  if (NO_POLICY.test(said)) return { ...nothing, policy: "" };
  if (UNREADABLE_FILE.test(said)) return { ...nothing, policyInFile: true };
  return { ...nothing, findings: [{ kind: "strange", reason: said }] };
}

function saidIn({ status, body }: Answer): string {
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : `HTTP ${String(status)} for /api/v1/policy`;
}

function notReached(error: unknown): HeadscaleFinding {
  if (!(error instanceof Silent)) throw error;
  const reason = error.message;
  return CERTIFICATE.test(error.code) ? { kind: "untrusted", reason } : { kind: "silent", reason };
}
