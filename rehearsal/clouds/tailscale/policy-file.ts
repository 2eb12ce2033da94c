/** The policy file of the stand-in for Tailscale's API. https://tailscale.com/api#tag/policyfile */
import { createHash } from "node:crypto";
import { ACCOUNT_USER, type Account } from "./account.ts";
import type { Control } from "./control.ts";
import { ApiError, type ApiRequest, type ApiResponse, allowQuery, json } from "./http.ts";
import { parseHujson } from "./hujson.ts";
import { DEFAULT_POLICY, PolicyError, forHeadscale, parsePolicy, testProblem } from "./policy.ts";
import { type Policy, type PolicyTest, policyTests } from "./policy-schema.ts";
import { failedTests } from "./policy-tests.ts";

export interface PolicyContext {
  readonly account: Account;
  readonly control: Control;
}

export function getPolicy({ account }: PolicyContext, request: ApiRequest): ApiResponse {
  allowQuery(request.query);
  return shown(account.books.policy, request);
}

/** Replaces the policy: here, and in force. An empty one is Tailscale's default again. */
export async function setPolicy(context: PolicyContext, request: ApiRequest): Promise<ApiResponse> {
  const { account, control } = context;
  allowQuery(request.query);
  const wanted = request.headers["if-match"]?.replaceAll('"', "");
  const matches = [
    tagOf(account.books.policy),
    ...(account.books.policy === DEFAULT_POLICY ? ["ts-default"] : []),
  ];
  if (wanted !== undefined && wanted !== "" && !matches.includes(wanted)) {
    throw new ApiError(412, "precondition failed, invalid old hash");
  }
  const text = request.body.trim() === "" ? DEFAULT_POLICY : request.body;
  const policy = refusing(() => parsePolicy(text));
  await decide(context, policy, policy.tests ?? []);
  try {
    await control.setPolicy(forHeadscale(policy, await control.devices(), ACCOUNT_USER));
  } catch (error) {
    throw new ApiError(400, error instanceof Error ? error.message : String(error));
  }
  await account.change(() => ({ policy: text }));
  return shown(text, request);
}

/** An array is tests for the policy in force, an object another policy. Answers 200 also when something is wrong. */
export async function validatePolicy(context: PolicyContext, request: ApiRequest): Promise<ApiResponse> {
  allowQuery(request.query);
  try {
    const raw = refusing(() => parseHujson(request.body));
    if (Array.isArray(raw)) {
      const tests = policyTests.safeParse(raw);
      if (!tests.success) throw new ApiError(400, tests.error.issues[0]?.message ?? "invalid tests");
      const wrong = tests.data.map(testProblem).find((text) => text !== undefined);
      if (wrong !== undefined) throw new ApiError(400, wrong);
      await decide(context, parsePolicy(context.account.books.policy), tests.data);
    } else {
      const policy = refusing(() => parsePolicy(request.body));
      await decide(context, policy, policy.tests ?? []);
    }
    return json({});
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return json({ message: error.message, ...(error.data === undefined ? {} : { data: error.data }) });
  }
}

/** Puts the policy of the books in force, for a control server that may be a new one. */
export async function enforcePolicy({ account, control }: PolicyContext): Promise<void> {
  const policy = parsePolicy(account.books.policy);
  // What was once taken stays, also when a device that came since makes one of its tests fail.
  await control.setPolicy(forHeadscale({ ...policy, tests: [] }, [], ACCOUNT_USER));
}

async function decide(
  { control }: PolicyContext,
  policy: Policy,
  tests: readonly PolicyTest[],
): Promise<void> {
  const devices = tests.length === 0 ? [] : await control.devices();
  const failures = failedTests(policy, tests, devices, ACCOUNT_USER);
  if (failures.length > 0) throw new ApiError(400, "test(s) failed", failures);
}

function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PolicyError || error instanceof SyntaxError) throw new ApiError(400, error.message);
    throw error;
  }
}

/** JSON where that is asked for, HuJSON otherwise. */
function shown(text: string, { headers }: ApiRequest): ApiResponse {
  const etag = `"${tagOf(text)}"`;
  if (headers["accept"] === "application/json")
    return { ...json(parseHujson(text)), headers: { "content-type": "application/json", etag } };
  return { status: 200, headers: { "content-type": "application/hujson", etag }, body: text };
}

function tagOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
