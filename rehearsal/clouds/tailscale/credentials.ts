/** Who may call the stand-in for Tailscale's API. */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { AccountBooks } from "./account.ts";
import { ApiError, type ApiRequest, type ApiResponse, json } from "./http.ts";

const TOKEN_SECONDS = 3600;
/** Of the account's OAuth client: all that a cluster's stack needs. */
const SCOPES = ["auth_keys", "devices:core", "policy_file", "dns"];

/** `user`: with the API key of the account's owner; `client`: with a token of its OAuth client. */
export type Caller = "user" | "client";

/** @throws ApiError 401 */
export function callerOf(request: ApiRequest, { credentials }: AccountBooks, now: number): Caller {
  const [scheme, value = ""] = (request.headers["authorization"] ?? "").split(" ");
  const key = scheme?.toLowerCase() === "basic" ? basic(value)[0] : value;
  if (same(key, credentials.apiKey)) return "user";
  if (scheme?.toLowerCase() === "bearer" && isToken(key, credentials.oauthClientSecret, now)) return "client";
  throw new ApiError(401, "API token invalid");
}

/** POST /api/v2/oauth/token, RFC 6749 4.4: the client's id and secret as Basic authorization or in the form. */
export function issueToken(request: ApiRequest, { credentials }: AccountBooks, now: number): ApiResponse {
  const form = new URLSearchParams(request.body);
  const [scheme, value = ""] = (request.headers["authorization"] ?? "").split(" ");
  const given =
    scheme?.toLowerCase() === "basic"
      ? basic(value)
      : [form.get("client_id") ?? "", form.get("client_secret") ?? ""];
  const [id = "", secret = ""] = given;
  if (!same(id, credentials.oauthClientId) || !same(secret, credentials.oauthClientSecret)) {
    throw new ApiError(401, "API token invalid");
  }
  const grant = form.get("grant_type");
  if (grant !== null && grant !== "client_credentials") throw new ApiError(400, "unsupported grant type");
  const scopes = (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
  const unknown = scopes.find((scope) => !SCOPES.includes(scope.replace(/:read$/, "")));
  if (unknown !== undefined)
    throw new ApiError(400, `requested scope ${JSON.stringify(unknown)} is not permitted`);
  const expires = Math.floor(now / 1000) + TOKEN_SECONDS;
  return json({
    access_token: `tskey-api-${String(expires)}-${signature(expires, credentials.oauthClientSecret)}`,
    token_type: "Bearer",
    expires_in: TOKEN_SECONDS,
    scope: scopes.join(" ") || SCOPES.join(" "),
  });
}

/** A token says itself when it ends, signed: none has to be written down. */
function isToken(token: string, secret: string, now: number): boolean {
  const match = /^tskey-api-(\d+)-([0-9a-f]+)$/.exec(token);
  const expires = Number(match?.[1] ?? 0);
  return expires * 1000 > now && same(match?.[2] ?? "", signature(expires, secret));
}

function signature(expires: number, secret: string): string {
  return createHmac("sha256", secret).update(String(expires)).digest("hex");
}

function basic(value: string): [string, string] {
  const text = Buffer.from(value, "base64").toString();
  const at = text.indexOf(":");
  return at < 0 ? [text, ""] : [decoded(text.slice(0, at)), decoded(text.slice(at + 1))];
}

/** OAuth clients encode what they put into Basic authorization. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
