/** Errors as the real plugin prints them: what it was doing, then what AWS's SDK says, then what the service says. */
import { randomUUID } from "node:crypto";

/** Names of errors in https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_CreateInstances.html */
export type ServiceErrorName = "InvalidInputException" | "NotFoundException" | "ServiceException";

/** What the service answers instead of doing something. */
export class ServiceError extends Error {
  /** `InvalidInputException`. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** One input the service does not take. */
export function invalidInput(message: string): ServiceError {
  return new ServiceError("InvalidInputException" satisfies ServiceErrorName, message);
}

/** Something the service does not know. */
export function notFound(kind: string, name: string): ServiceError {
  return new ServiceError(
    "NotFoundException" satisfies ServiceErrorName,
    `The ${kind} does not exist: ${name}`,
  );
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ServiceError && error.code === "NotFoundException";
}

/** HTTP status by error; the rest are the caller's fault, 400. */
function statusOf(code: string): number {
  if (code === "ServiceException") return 500;
  return code === "NotFoundException" ? 404 : 400;
}

/** What the SDK makes of an answer. */
export function sdkText(operation: string, error: ServiceError): string {
  return `operation error Lightsail: ${operation}, https response error StatusCode: ${String(statusOf(error.code))}, RequestID: ${randomUUID()}, ${error.code}: ${error.message}`;
}
