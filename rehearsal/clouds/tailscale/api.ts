/**
 * A stand-in for Tailscale's API (https://tailscale.com/api) with a Headscale behind it: what a Homespan stack and Tailscale's
 * Pulumi provider use of it. Anything else is an error, so that nothing can be rehearsed that was not looked at.
 */
import { z } from "zod";
import type { Faults } from "../shared/faults.ts";
import type { Account } from "./account.ts";
import type { Control } from "./control.ts";
import { type Caller, callerOf, issueToken } from "./credentials.ts";
import { getDevice, listDevices, removeDevice } from "./devices.ts";
import {
  ApiError,
  type ApiRequest,
  type ApiResponse,
  allowQuery,
  errorResponse,
  json,
  parseBody,
} from "./http.ts";
import { createKey, getKey, listKeys, removeKey } from "./keys.ts";
import { getPolicy, setPolicy, validatePolicy } from "./policy-file.ts";

export interface ApiOptions {
  readonly account: Account;
  readonly control: Control;
  /** MagicDNS suffix of the tailnet. */
  readonly domain: string;
  /** Turns MagicDNS on or off in the control server. */
  readonly setMagicDns: (on: boolean) => Promise<void>;
  /** Faults to have: `operation` is one of tailscaleOperations; `error` is the status to answer with. */
  readonly faults?: Faults;
  readonly now?: () => number;
}

/** Answers one request; never throws. */
export type Api = (request: ApiRequest) => Promise<ApiResponse>;

const preferences = z.strictObject({ magicDNS: z.boolean() });

/** Requests are answered one after another: a change is made of several steps. */
export function tailscaleApi(options: ApiOptions): Api {
  let last: Promise<unknown> = Promise.resolve();
  return (request) => {
    const answer = last.then(() => respond(options, request)).catch(errorResponse);
    last = answer;
    return answer;
  };
}

async function respond(options: ApiOptions, request: ApiRequest): Promise<ApiResponse> {
  const now = (options.now ?? Date.now)();
  const { account } = options;
  const [first = "", second = "", ...rest] = request.path;
  if (route(request.method, ...request.path) === "POST oauth/token")
    return issueToken(request, account.books, now);
  const caller = callerOf(request, account.books, now);
  await meetFault(options.faults, request);
  if (first === "device") return device(options, request, second, rest);
  if (first !== "tailnet") throw notFound();
  if (second !== "-" && second !== options.domain) throw new ApiError(404, "tailnet not found");
  return tailnet(options, request, rest, caller, now);
}

async function device(
  options: ApiOptions,
  request: ApiRequest,
  id: string,
  rest: readonly string[],
): Promise<ApiResponse> {
  if (rest.length > 0 || id === "") throw notFound();
  if (request.method === "GET") return getDevice(options, request, id);
  if (request.method === "DELETE") return removeDevice(options, id);
  throw new ApiError(405, "method not allowed");
}

async function tailnet(
  options: ApiOptions,
  request: ApiRequest,
  rest: readonly string[],
  caller: Caller,
  now: number,
): Promise<ApiResponse> {
  const context = { account: options.account, control: options.control, now };
  if (rest[0] === "keys" && rest.length === 2) {
    const id = rest[1] ?? "";
    if (request.method === "GET") return getKey(context, id);
    if (request.method === "DELETE") return removeKey(context, id);
    throw new ApiError(405, "method not allowed");
  }
  switch (route(request.method, ...rest)) {
    case "POST keys":
      return createKey(context, caller, request.body);
    case "GET keys":
      allowQuery(request.query, "all");
      return listKeys(context);
    case "GET devices":
      return listDevices(options, request);
    case "GET acl":
      return getPolicy(context, request);
    case "POST acl":
      return setPolicy(context, request);
    case "POST acl/validate":
      return validatePolicy(context, request);
    case "GET dns/preferences":
      return json({ magicDNS: options.account.books.magicDns });
    case "POST dns/preferences":
      return setPreferences(options, request.body);
    default:
      throw notFound();
  }
}

async function setPreferences({ account, setMagicDns }: ApiOptions, body: string): Promise<ApiResponse> {
  const { magicDNS } = parseBody(preferences, body);
  if (magicDNS !== account.books.magicDns) {
    await setMagicDns(magicDNS);
    await account.change(() => ({ magicDns: magicDNS }));
  }
  return json({ magicDNS });
}

/** @throws ApiError when the call is one that is to fail. */
async function meetFault(faults: Faults | undefined, { method, path, body }: ApiRequest): Promise<void> {
  const [first = "", ...rest] = path;
  // `keys` stands for one key as for all of them.
  const inside = rest[1] === "keys" ? ["keys"] : rest.slice(1);
  const operation = first === "tailnet" ? route(method, ...inside) : route(method, first);
  const error = await faults?.take(operation, `${rest.join("/")} ${body}`, rest.at(-1));
  if (error !== undefined) throw new ApiError(Number(error) || 500, "fault of the rehearsal");
}

function route(method: string, ...path: readonly string[]): string {
  return `${method} ${path.join("/")}`;
}

function notFound(): ApiError {
  return new ApiError(404, "404 page not found");
}
