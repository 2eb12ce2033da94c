/** Tailscale's HTTP API on a loopback port, as far as the provider uses it. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeApiDevice {
  nodeId: string;
  id: string;
  hostname: string;
  name: string;
  tags?: string[];
  addresses: string[];
  connectedToControl: boolean;
}

export const API_KEY = "tskey-api-secret";
const CLIENT = { id: "kClient", secret: "tskey-client-secret" };

export class FakeTailscaleApi {
  devices: FakeApiDevice[] = [];
  readonly requests: string[] = [];
  /** Answers that come before any other, each once. */
  trouble: { status: number; body?: string; headers?: Record<string, string> }[] = [];
  /** As it was written. */
  policy = "// the default\n{}\n";
  tokens = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  get withKey(): Record<string, string> {
    return { TAILSCALE_BASE_URL: this.url, TAILSCALE_API_KEY: API_KEY };
  }

  get withClient(): Record<string, string> {
    return {
      TAILSCALE_BASE_URL: `${this.url}/`,
      TAILSCALE_OAUTH_CLIENT_ID: CLIENT.id,
      TAILSCALE_OAUTH_CLIENT_SECRET: CLIENT.secret,
    };
  }

  device(hostname: string, tag: string, address: string): FakeApiDevice {
    const number = this.requests.length + this.devices.length + 1;
    const device = {
      nodeId: `n${String(number)}CNTRL`,
      id: String(number),
      hostname,
      name: `${hostname}.example.ts.net`,
      tags: [tag],
      addresses: [address, "fd7a:115c:a1e0::1"],
      connectedToControl: true,
    };
    this.devices.push(device);
    return device;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url ?? "";
    this.requests.push(`${request.method ?? ""} ${path}`);
    const send = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const trouble = this.trouble.shift();
    if (trouble !== undefined) {
      response.writeHead(trouble.status, trouble.headers).end(trouble.body ?? "");
      return;
    }
    if (path === "/api/v2/oauth/token") {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      if (form.get("client_secret") !== CLIENT.secret) {
        send(401, { message: "API token invalid" });
        return;
      }
      this.tokens += 1;
      send(200, { access_token: `token-${String(this.tokens)}`, token_type: "Bearer", expires_in: 3600 });
      return;
    }
    const basic = `Basic ${Buffer.from(`${API_KEY}:`).toString("base64")}`;
    const allowed = [basic, `Bearer token-${String(this.tokens)}`];
    if (!allowed.includes(request.headers.authorization ?? "")) {
      send(401, { message: "API token invalid" });
      return;
    }
    const device = /^\/api\/v2\/device\/(.+)$/.exec(path)?.[1];
    if (/^\/api\/v2\/tailnet\/(-|example\.com)\/devices$/.test(path)) {
      send(200, { devices: this.devices });
    } else if (path === "/api/v2/tailnet/-/acl" && request.headers.accept === "application/hujson") {
      response.writeHead(200, { "content-type": "application/hujson" }).end(this.policy);
    } else if (request.method === "DELETE" && this.devices.some(({ nodeId }) => nodeId === device)) {
      this.devices = this.devices.filter(({ nodeId }) => nodeId !== device);
      response.writeHead(200).end();
    } else {
      send(404, { message: "not found" });
    }
  }
}
