/**
 * `fetch` of undici itself. That of Node 24 has an older undici inside, which ends the whole process when a server closes the connection of
 * an answer that is not read at that moment: https://github.com/nodejs/undici/issues/5360
 */
import type { Dispatcher, fetch as fetchByUndici } from "undici";

/** One for all: it keeps connections. */
let dispatcher: Dispatcher | undefined;

/** What is asked of {@link fetch} here. */
export interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | URLSearchParams;
  readonly redirect?: "follow" | "manual";
  readonly signal?: AbortSignal;
}

/** What a server said. */
export type Answer = Awaited<ReturnType<typeof fetchByUndici>>;

/** `fetch`, for what may be more than the few kilobytes of an API's answer. */
export async function fetch(url: string, options: FetchOptions = {}): Promise<Answer> {
  // Loaded by the first who asks for something: most runs do not.
  const undici = await import("undici");
  // As Node's own: of proxies in the environment it knows where it is told to. https://nodejs.org/api/cli.html#node_use_env_proxy1
  dispatcher ??=
    process.env["NODE_USE_ENV_PROXY"] === "1" ? new undici.EnvHttpProxyAgent() : new undici.Agent();
  return undici.fetch(url, { ...options, dispatcher });
}
