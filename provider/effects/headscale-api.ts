/** One Headscale server's HTTP API, by its address and under its own authority. https://headscale.net/stable/ref/api/ */
import { Agent, request } from "node:https";
import type { ServerAddress } from "./headscale.ts";

const REQUEST_MILLISECONDS = 10_000;
const CONNECT_MILLISECONDS = 1500;

/** The way in. */
export interface Door extends ServerAddress {
  readonly apiKey: string;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** No answer came: the server is starting, stopped or gone. */
export class Silent extends Error {}

function send(agent: Agent, url: URL, method: string, headers: Record<string, string>, body: unknown) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        agent,
        timeout: REQUEST_MILLISECONDS,
        headers: { ...headers, ...(text === undefined ? {} : { "content-type": "application/json" }) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const content = Buffer.concat(chunks).toString();
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(content || "null") as unknown });
          } catch {
            resolve({ status: response.statusCode ?? 0, body: content });
          }
        });
      },
    );
    // A container that has ended answers nothing at all, which the system takes seconds to notice.
    const connecting = setTimeout(
      () => outgoing.destroy(new Error("no connection in time")),
      CONNECT_MILLISECONDS,
    );
    outgoing.on("socket", (socket) => {
      if (!socket.connecting) clearTimeout(connecting);
      socket.once("connect", () => {
        clearTimeout(connecting);
      });
    });
    outgoing.on("close", () => {
      clearTimeout(connecting);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", (error) => {
      reject(new Silent(error.message));
    });
    outgoing.end(text);
  });
}

/** One server's API. */
export class HeadscaleApi {
  readonly #door: Door;
  readonly #agent: Agent;

  constructor(door: Door, ca: string) {
    this.#door = door;
    this.#agent = new Agent({ keepAlive: true, ca, servername: door.serverName });
  }

  /** @throws {@link Silent} without an answer. */
  send(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.#door.apiKey}` };
    return send(this.#agent, new URL(path, this.#door.url), method, headers, body);
  }

  /** The answer's body; `undefined` for one that says it is not there, where that is as good. */
  async call(method: string, path: string, body?: unknown, harmless?: RegExp): Promise<unknown> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    const said = (answer.body as { message?: string } | null)?.message ?? `HTTP ${String(answer.status)}`;
    if (harmless?.test(said) === true) return undefined;
    throw new Error(`Headscale refused ${method} ${path.replace(/\?.*$/, "")}: ${said}`);
  }

  end(): void {
    this.#agent.destroy();
  }
}

/** `silent`: nobody listens there yet. `unreachable`: this machine has no way to containers. */
export async function healthOf(
  { url, serverName }: ServerAddress,
  ca: string,
): Promise<"yes" | "silent" | "unreachable"> {
  const agent = new Agent({ ca, servername: serverName });
  try {
    const { status } = await send(agent, new URL("/health", url), "GET", {}, undefined);
    return status === 200 ? "yes" : "silent";
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return /ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|in time/.test(reason) ? "unreachable" : "silent";
  } finally {
    agent.destroy();
  }
}
