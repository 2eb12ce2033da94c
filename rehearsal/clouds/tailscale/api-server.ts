/** The stand-in for Tailscale's API behind a port of the loopback interface. */
import { type IncomingMessage, type Server, createServer } from "node:http";
import type { Api } from "./api.ts";
import { ApiError, type ApiRequest, errorResponse } from "./http.ts";

const PREFIX = "/api/v2/";
/** Far more than any policy. */
const MAX_BODY_BYTES = 1024 * 1024;

/** A server that is not listening yet. */
export function apiServer(api: Api): Server {
  return createServer((incoming, outgoing) => {
    void received(incoming)
      .then(api, errorResponse)
      .then(({ status, headers, body }) => {
        outgoing.writeHead(status, headers);
        outgoing.end(body);
      });
  });
}

async function received(incoming: IncomingMessage): Promise<ApiRequest> {
  const url = new URL(incoming.url ?? "/", "http://localhost");
  if (!url.pathname.startsWith(PREFIX)) throw new ApiError(404, "404 page not found");
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : (value ?? ""),
    ]),
  );
  return {
    method: incoming.method ?? "GET",
    path: url.pathname.slice(PREFIX.length).split("/").map(decoded),
    query: url.searchParams,
    headers,
    body: await bodyOf(incoming),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError(400, "malformed path");
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new ApiError(413, "request body too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
