/** Headscale's HTTP API on a loopback port, as far as it is used here, under an authority of its own. */
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { makeAuthority, makeLeaf } from "../../provider/effects/certificates.ts";

interface FakeNode {
  id: string;
  name: string;
  givenName: string;
  tags: string[];
  ipAddresses: string[];
}
interface FakeKey {
  id: string;
  user: string;
  used: boolean;
  reusable: boolean;
  ephemeral: boolean;
  expiration: string;
  aclTags: string[];
}

export const HEADSCALE_KEY = "hskey-api-secret";
/** In the server's certificate, beside 127.0.0.1. */
export const HEADSCALE_NAME = "headscale.example.com";

async function makeCertificates() {
  const authority = await makeAuthority("home", Date.now());
  return { authority, leaf: await makeLeaf(authority, HEADSCALE_NAME, "127.0.0.1", Date.now()) };
}

/** The same for all servers: keys take time to make. */
let certificates: ReturnType<typeof makeCertificates> | undefined;

export class FakeHeadscaleServer {
  version: unknown = { version: "v0.29.0" };
  users: { id: string; name: string; displayName: string }[] = [];
  keys: FakeKey[] = [];
  nodes: FakeNode[] = [];
  policy: string | undefined;
  /** `policy.mode` of its configuration. */
  policyMode: "database" | "file" = "database";
  /** Users whose devices are there. */
  readonly owners = new Set<string>();
  readonly requests: string[] = [];
  /** PEM. */
  authority = "";
  /** Of the server, also when it has stopped. */
  port = 0;
  #server: Server | undefined;
  #next = 1;

  async start(): Promise<void> {
    const { authority, leaf } = await (certificates ??= makeCertificates());
    this.authority = authority.certificate;
    this.#server = createServer({ cert: leaf.certificate, key: leaf.key }, (incoming, outgoing) => {
      let text = "";
      incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
      incoming.on("end", () => {
        const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
        this.requests.push(`${incoming.method ?? ""} ${incoming.url ?? ""}`);
        const known = incoming.headers.authorization === `Bearer ${HEADSCALE_KEY}`;
        const url = new URL(incoming.url ?? "", "https://headscale.invalid");
        const [status, answer] = this.#answer(`${incoming.method ?? ""} ${url.pathname}`, url, body, known);
        outgoing.writeHead(status, { "content-type": "application/json" });
        outgoing.end(typeof answer === "string" ? answer : JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  get url(): string {
    return `https://127.0.0.1:${String(this.port)}`;
  }

  get ref() {
    return { kind: "headscale-server" as const, url: this.url, caCertificate: this.authority };
  }

  node(name: string, tag: string, address: string): FakeNode {
    const node = { id: String(this.#next++), name, givenName: name, tags: [tag], ipAddresses: [address] };
    this.nodes.push(node);
    return node;
  }

  #answer(call: string, url: URL, body: Record<string, unknown>, known: boolean): [number, unknown] {
    if (call === "GET /version") return this.version === undefined ? [404, "not found"] : [200, this.version];
    if (call === "GET /health") return [200, { status: "pass" }];
    if (!known) return [401, "Unauthorized"];
    const id = /\/(\d+)$/.exec(url.pathname)?.[1] ?? "";
    switch (call.replace(/\/\d+$/, "")) {
      case "GET /api/v1/user":
        return [200, { users: this.users }];
      case "POST /api/v1/user":
        this.users.push({
          id: String(this.#next++),
          name: String(body["name"]),
          displayName: String(body["displayName"]),
        });
        return [200, { user: this.users.at(-1) }];
      case "DELETE /api/v1/user":
        if (this.owners.has(id)) return [500, { message: "user not empty: node(s) found" }];
        if (this.users.every((user) => user.id !== id)) return [500, { message: "user not found" }];
        this.users = this.users.filter((user) => user.id !== id);
        return [200, {}];
      case "GET /api/v1/node":
        return [200, { nodes: this.nodes }];
      case "DELETE /api/v1/node":
        this.nodes = this.nodes.filter((node) => node.id !== id);
        return [200, {}];
      case "GET /api/v1/preauthkey":
        return [200, { preAuthKeys: this.keys }];
      case "POST /api/v1/preauthkey": {
        const made = { ...(body as unknown as FakeKey), id: String(this.#next++), used: false };
        this.keys.push(made);
        return [200, { preAuthKey: { ...made, key: `hskey-auth-${made.id}` } }];
      }
      case "DELETE /api/v1/preauthkey":
        this.keys = this.keys.filter((key) => key.id !== url.searchParams.get("id"));
        return [200, {}];
      case "GET /api/v1/policy":
        if (this.policy !== undefined) return [200, { policy: this.policy }];
        return this.policyMode === "file"
          ? [500, { message: 'reading policy from path "": open : no such file or directory' }]
          : [500, { message: "loading ACL from database: acl policy not found" }];
      case "PUT /api/v1/policy":
        if (this.policyMode === "file") {
          return [500, { message: "update is disabled for modes other than 'database'" }];
        }
        this.policy = String(body["policy"]);
        return [200, { policy: this.policy }];
      default:
        return [501, { message: `nobody prepared ${call}` }];
    }
  }
}
