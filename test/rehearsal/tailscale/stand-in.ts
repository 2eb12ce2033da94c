/** The stand-in for Tailscale's API on a port, with a control server in memory. */
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Faults } from "../../../rehearsal/clouds/shared/faults.ts";
import { type Account, openAccount } from "../../../rehearsal/clouds/tailscale/account.ts";
import { apiServer } from "../../../rehearsal/clouds/tailscale/api-server.ts";
import { tailscaleApi } from "../../../rehearsal/clouds/tailscale/api.ts";
import { FakeControl } from "./fake-control.ts";

export const DOMAIN = "tail0a1b2c.ts.net";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body read as JSON; `undefined` where it is none. */
  readonly json: unknown;
}

export class StandIn {
  readonly control = new FakeControl();
  /** What MagicDNS was set to in the control server. */
  readonly magicDns: boolean[] = [];
  now = Date.parse("2026-11-21T12:00:00Z");
  url = "";
  folder = "";
  faults!: Faults;
  account!: Account;
  #server: Server | undefined;

  async start(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), "homespan-tailscale-"));
    await this.open();
  }

  /** Also what a daemon that starts again does. */
  async open(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.account = await openAccount(join(this.folder, "tailscale.json"));
    this.faults = new Faults(this.folder);
    const api = tailscaleApi({
      account: this.account,
      control: this.control,
      domain: DOMAIN,
      setMagicDns: async (on) => {
        this.magicDns.push(on);
      },
      faults: this.faults,
      now: () => this.now,
    });
    const server = apiServer(api);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
    await rm(this.folder, { recursive: true, force: true });
  }

  get basic(): string {
    return `Basic ${Buffer.from(`${this.account.books.credentials.apiKey}:`).toString("base64")}`;
  }

  /** Calls the API as the owner of its API key. `path` begins below /api/v2/tailnet/-, with `/` below /api/v2. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const below = path.startsWith("/") ? path : `/tailnet/-/${path}`;
    const response = await fetch(`${this.url}/api/v2${below}`, {
      method,
      headers: { authorization: this.basic, ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  }
}

/** A policy with one tag. */
export const tagged = (tag: string, rest: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    tagOwners: { [tag]: ["autogroup:admin"] },
    grants: [{ src: [tag], dst: [tag], ip: ["tcp:6443"] }],
    ...rest,
  });
