/**
 * `fetch` of undici itself. That of Node 24 has an older undici inside, which ends the whole process when a server closes the connection of
 * an answer that is not read at that moment: https://github.com/nodejs/undici/issues/5360
 */
import { Agent, EnvHttpProxyAgent, fetch as fetchByUndici } from "undici";

/** As Node's own: of proxies in the environment it knows where it is told to. https://nodejs.org/api/cli.html#node_use_env_proxy1 */
const dispatcher = process.env["NODE_USE_ENV_PROXY"] === "1" ? new EnvHttpProxyAgent() : new Agent();

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
export function fetch(url: string, options: FetchOptions = {}): Promise<Answer> {
  return fetchByUndici(url, { ...options, dispatcher });
}
