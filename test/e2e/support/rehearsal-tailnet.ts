/** The API of the rehearsed tailnet, asked with the key that the rehearsal's environment has. */

/** A device as it tells of it. */
export interface TailnetDevice {
  readonly nodeId: string;
  /** In MagicDNS: with a suffix when the wanted one was taken. */
  readonly name: string;
  readonly tags?: readonly string[];
}

/** The body of the answer. @throws with status and body of an answer that is an error */
export async function askTailnet(
  environment: Readonly<Record<string, string>>,
  method: "GET" | "POST",
  path: string,
  body?: string,
): Promise<string> {
  const { TAILSCALE_BASE_URL: base = "", TAILSCALE_API_KEY: key = "" } = environment;
  const headers = { authorization: `Bearer ${key}` };
  const request = { method, headers, ...(body === undefined ? {} : { body }) };
  const response = await fetch(`${base}/api/v2/${path}`, request);
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text;
}
