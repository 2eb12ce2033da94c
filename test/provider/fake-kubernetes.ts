/** A Kubernetes API in memory: nodes, pods, secrets and leases, and what k3s does when an etcd member leaves. */
import {
  type Answer,
  type ClusterAccess,
  type Kubernetes,
  type KubernetesApi,
  Unreachable,
  type Verb,
} from "../../provider/effects/kubernetes.ts";

interface Meta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { kind: string }[];
}
export interface FakeNode {
  metadata: Meta;
  spec: { unschedulable?: boolean | null };
  status: {
    conditions: { type: string; status: string; reason?: string; message?: string }[];
    addresses: { type: string; address: string }[];
  };
}
export interface FakePod {
  metadata: Meta;
  spec: { nodeName: string };
  status: { phase: string };
  /** Evictions are refused, as by a disruption budget. */
  held?: boolean;
}

/** What k3s says of a member: it votes, it does not vote yet, or it does not answer, which a voter may do as well. */
type MemberReason = "MemberNotLearner" | "MemberIsLearner" | "Unhealthy";

export function fakeNode(
  name: string,
  options: { ready?: boolean; etcd?: boolean; address?: string; member?: MemberReason } = {},
): FakeNode {
  const etcd = options.etcd ?? false;
  const member = options.member ?? ((options.ready ?? true) ? "MemberNotLearner" : "Unhealthy");
  const voter = {
    type: "EtcdIsVoter",
    status: member === "MemberNotLearner" ? "True" : "False",
    reason: member,
  };
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      labels: etcd ? { "node-role.kubernetes.io/etcd": "true" } : {},
      annotations: {
        "flannel.alpha.coreos.com/public-ip": "100.64.0.1",
        ...(etcd ? { "etcd.k3s.cattle.io/node-name": `${name}-1234` } : {}),
      },
    },
    spec: {},
    status: {
      conditions: [
        {
          type: "Ready",
          status: (options.ready ?? true) ? "True" : "False",
          message: "container runtime is down",
        },
        ...(etcd ? [voter] : []),
      ],
      addresses: [{ type: "InternalIP", address: options.address ?? "100.64.0.1" }],
    },
  };
}

const notFound: Answer = { status: 404, body: { message: "not found" } };
const ok = (body: unknown): Answer => ({ status: 200, body });

export class FakeKubernetes implements Kubernetes {
  readonly nodes = new Map<string, FakeNode>();
  readonly pods: FakePod[] = [];
  readonly secrets = new Set<string>();
  readonly leases = new Map<string, { metadata: Meta; spec: Record<string, unknown> }>();
  readonly calls: string[] = [];
  /** Endpoints that answer; `undefined`: all. */
  answering: ReadonlySet<string> | undefined;
  /** False: k3s never confirms that a member left. */
  etcdAnswers = true;
  /** Called when a member is asked to leave. */
  leaving: () => void = () => undefined;
  /** Called after each eviction. */
  evicted: () => void = () => undefined;
  /** Endpoints the last call could have used. */
  usedEndpoints: readonly string[] = [];
  /** The proxy of the last ping. */
  usedProxy: string | undefined;

  connect(access: ClusterAccess): Promise<KubernetesApi> {
    return Promise.resolve({
      call: (verb, path, body) => {
        this.usedEndpoints = access.endpoints;
        const reachable = access.endpoints.some((url) => this.answering?.has(url) ?? true);
        if (!reachable)
          return Promise.reject(new Unreachable("no API endpoint answered (connection refused)"));
        this.calls.push(`${verb} ${path}`);
        return Promise.resolve(this.#answer(verb, path, body));
      },
    });
  }

  ping(url: string, proxyUrl?: string): Promise<boolean> {
    this.usedProxy = proxyUrl;
    return Promise.resolve(this.answering?.has(url) ?? true);
  }

  #answer(verb: Verb, path: string, body: unknown): Answer {
    if (path === "/readyz") return { status: 200, body: "ok" };
    if (path === "/api/v1/nodes") return ok({ items: [...this.nodes.values()] });
    const node = /^\/api\/v1\/nodes\/([^/]+)$/.exec(path)?.[1];
    if (node !== undefined) return this.#node(verb, node, body);
    if (path.startsWith("/api/v1/pods?")) {
      const name = decodeURIComponent(path).split("spec.nodeName=")[1];
      return ok({ items: this.pods.filter((pod) => pod.spec.nodeName === name) });
    }
    const pod = /\/pods\/([^/]+)(\/eviction)?$/.exec(path);
    if (pod !== null) {
      const index = this.pods.findIndex((candidate) => candidate.metadata.name === pod[1]);
      if (index < 0) return notFound;
      if (pod[2] !== undefined && this.pods[index]?.held === true) return { status: 429, body: {} };
      this.pods.splice(index, 1);
      if (pod[2] !== undefined) this.evicted();
      return ok({});
    }
    const secret = /\/secrets\/([^/]+)$/.exec(path)?.[1];
    if (secret !== undefined) {
      const found = verb === "DELETE" ? this.secrets.delete(secret) : this.secrets.has(secret);
      return found ? ok({}) : notFound;
    }
    if (path.includes("/leases")) return this.#lease(verb, path, body);
    return { status: 500, body: { message: `the fake knows no ${verb} ${path}` } };
  }

  #node(verb: Verb, name: string, body: unknown): Answer {
    const node = this.nodes.get(name);
    if (node === undefined) return notFound;
    if (verb === "DELETE") this.nodes.delete(name);
    if (verb === "PATCH") this.#patch(node, body as Partial<FakeNode>);
    return ok(node);
  }

  #patch(node: FakeNode, patch: Partial<FakeNode>): void {
    for (const key of ["labels", "annotations"] as const) {
      const merged: Record<string, string | null> = { ...node.metadata[key], ...patch.metadata?.[key] };
      node.metadata[key] = Object.fromEntries(
        Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== null),
      );
    }
    node.spec = { ...node.spec, ...patch.spec };
    this.#removeMember(node);
  }

  /** As pkg/etcd/member_controller.go of k3s does it. */
  #removeMember(node: FakeNode): void {
    const [remove, removed, member] = [
      "etcd.k3s.cattle.io/remove",
      "etcd.k3s.cattle.io/removed-node-name",
      "etcd.k3s.cattle.io/node-name",
    ] as const;
    const { [remove]: asked, [removed]: left, [member]: name, ...rest } = node.metadata.annotations ?? {};
    if (asked !== "true") return;
    this.leaving();
    if (!this.etcdAnswers || name === undefined || left === name) return;
    // What an earlier member left is cleared away, and the order with it.
    node.metadata.annotations =
      left === undefined ? { ...rest, [removed]: name } : { ...rest, [member]: name };
  }

  #lease(verb: Verb, path: string, body: unknown): Answer {
    const name =
      verb === "POST" ? (body as { metadata: Meta }).metadata.name : (path.split("/").at(-1) ?? "");
    const lease = body as { metadata: Meta; spec: Record<string, unknown> };
    if (verb === "GET" && name === "leases") return ok({ items: [...this.leases.values()] });
    const found = this.leases.get(name);
    if (verb === "POST") {
      if (found !== undefined) return { status: 409, body: {} };
      const made = { ...lease, metadata: { ...lease.metadata, uid: `uid-${name}`, resourceVersion: "1" } };
      this.leases.set(name, made);
      return { status: 201, body: made };
    }
    if (found === undefined) return notFound;
    if (verb === "DELETE") {
      const { preconditions = {} } = (body ?? {}) as { preconditions?: Partial<Meta> };
      const { uid = found.metadata.uid, resourceVersion = found.metadata.resourceVersion } = preconditions;
      if (uid !== found.metadata.uid || resourceVersion !== found.metadata.resourceVersion) {
        return { status: 409, body: {} };
      }
      this.leases.delete(name);
    }
    if (verb === "PATCH") found.spec = { ...found.spec, ...lease.spec };
    if (verb === "PUT") {
      if (lease.metadata.resourceVersion !== found.metadata.resourceVersion) return { status: 409, body: {} };
      const resourceVersion = String(Number(found.metadata.resourceVersion) + 1);
      this.leases.set(name, { ...lease, metadata: { ...found.metadata, resourceVersion } });
    }
    return ok(this.leases.get(name) ?? found);
  }
}
