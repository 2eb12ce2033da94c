/**
 * The Kubernetes API as a node itself reaches it, with its kubelet's credentials: enough to look at the node, to cordon it, and to
 * ask its pods to leave. Who restarts a machine needs no way into the cluster for that, nor its kubeconfig.
 *
 * What a kubelet may do: NodeRules in plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go of Kubernetes, narrowed to the
 * node's own objects by the NodeRestriction admission plugin.
 */
import { type Answer, type KubernetesApi, Unreachable, type Verb } from "./kubernetes.ts";
import type { Finished } from "./process.ts";

/** A command on the node, as root. */
export type OnNode = (argv: readonly string[], input?: string) => Promise<Finished>;

/** Where k3s keeps the kubelet's credentials. https://docs.k3s.io/cli/certificate */
export const kubeletKubeconfig = "/var/lib/rancher/k3s/agent/kubelet.kubeconfig";
const kubectl = "/usr/lib/homespan/bin/kubectl";
const NODE = "/api/v1/nodes/";

/** Answered in words: an exit code may as well be that of the way into the machine. */
const REGISTERED = 'if test -s "$1"; then echo yes; else echo no; fi';

/**
 * True for a machine that has registered as a node.
 *
 * @throws {@link Unreachable} when it says neither yes nor no, as one that is too slow: it may be a node.
 */
export async function hasKubelet(run: OnNode): Promise<boolean> {
  const { code, stdout, stderr } = await run(["/bin/sh", "-c", REGISTERED, "sh", kubeletKubeconfig]);
  // A login shell may print before it.
  const word = code === 0 ? stdout.trim().split("\n").at(-1) : undefined;
  if (word === "yes" || word === "no") return word === "yes";
  const said = [stdout, stderr].flatMap((text) => text.trim().split(/\s*\n\s*/)).filter(Boolean);
  throw new Unreachable(said.length === 0 ? `exit code ${code} without a word` : said.join("; "));
}

export function kubeletApi(run: OnNode): KubernetesApi {
  return {
    async call(verb, path, body) {
      const words = argv(verb, path, body);
      const flags = [`--kubeconfig=${kubeletKubeconfig}`, "--request-timeout=20s"];
      const finished = await run(
        [kubectl, ...flags, ...words],
        body === undefined ? undefined : JSON.stringify(body),
      );
      return answerOf(finished);
    },
  };
}

/** kubectl has no raw patch. */
function argv(verb: Verb, path: string, body: unknown): string[] {
  const file = body === undefined ? [] : ["--filename=-"];
  switch (verb) {
    case "GET":
      return ["get", `--raw=${path}`];
    case "POST":
      return ["create", `--raw=${path}`, ...file];
    case "DELETE":
      return ["delete", `--raw=${path}`, ...file];
    case "PATCH":
      if (!path.startsWith(NODE)) throw new RangeError(`\`path\` must be that of a node, got ${path}`);
      return ["patch", "node", path.slice(NODE.length), "--patch-file=/dev/stdin", "--output=json"];
    case "PUT":
      throw new RangeError("`verb` must be one that a kubelet needs, got PUT");
  }
}

/** `Error from server (NotFound): nodes "x" not found`. */
const STATUS: Readonly<Record<string, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
};

function answerOf({ code, stdout, stderr }: Finished): Answer {
  if (code === 0) return { status: 200, body: stdout.trim() === "" ? null : (JSON.parse(stdout) as unknown) };
  const message = stderr.trim();
  const [, reason = ""] = /Error from server \((\w+)\)/.exec(message) ?? [];
  const status = STATUS[reason];
  if (status !== undefined) return { status, body: { message } };
  // What no server said: the way to it, or the machine itself.
  throw new Unreachable(
    message === "" ? `kubectl ended with exit code ${code}` : (message.split("\n").at(-1) ?? ""),
  );
}
