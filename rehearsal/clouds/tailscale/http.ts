/** Requests and answers of the stand-in for Tailscale's API, without a server around them. */
import type { z } from "zod";

export interface ApiRequest {
  readonly method: string;
  /** Decoded parts of the path below /api/v2. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An answer that is an error; the message and data are what the client's error says. */
export class ApiError extends Error {
  readonly status: number;
  readonly data: unknown;
  constructor(status: number, message: string, data?: unknown) {
    super(message);
    this.status = status;
    this.data = data;
  }
}

export function json(value: unknown, status = 200): ApiResponse {
  return { status, headers: { "content-type": "application/json" }, body: `${JSON.stringify(value)}\n` };
}

export function errorResponse(error: unknown): ApiResponse {
  if (error instanceof ApiError) {
    return json(
      { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) },
      error.status,
    );
  }
  return json({ message: error instanceof Error ? error.message : String(error) }, 500);
}

/** The body as the schema has it; an unknown field is an error as a wrong value is. */
export function parseBody<T extends z.ZodType>(schema: T, body: string): z.output<T> {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    throw new ApiError(400, "request body must be JSON");
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = (issue?.path ?? []).join(".");
  if (issue?.code === "unrecognized_keys") {
    throw new ApiError(
      400,
      `json: unknown field ${JSON.stringify([...issue.path, issue.keys[0]].join("."))}`,
    );
  }
  throw new ApiError(400, `${path === "" ? "request body" : path}: ${issue?.message ?? "invalid"}`);
}

/** Refuses query parameters other than these. */
export function allowQuery(query: URLSearchParams, ...known: readonly string[]): void {
  const unknown = [...query.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ApiError(400, `unknown query parameter ${JSON.stringify(unknown)}`);
}
