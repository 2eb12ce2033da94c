/** Configuration of the provider `tailscale`: the properties of `tailscale.Provider` in @pulumi/tailscale 0.29.1. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { type Properties, UNKNOWN } from "../../../../provider/server/values.ts";
import { configProblems, decodedConfig } from "../../shared/provider-config.ts";
import type { ClientSettings } from "./client.ts";

const text = z.string().optional();

const configSchema = z.strictObject({
  apiKey: text,
  audience: text,
  baseUrl: text,
  identityToken: text,
  identityTokenEnvironmentVariableName: text,
  oauthClientId: text,
  oauthClientSecret: text,
  scopes: z.array(z.string()).optional(),
  tailnet: text,
  userAgent: text,
});

type Environment = Readonly<Record<string, string | undefined>>;

interface Found {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly oauthClientId: string;
  readonly oauthClientSecret: string;
  readonly tailnet: string;
  readonly scopes: readonly string[];
}

/** Problems with a configuration and what the environment adds to it. */
export function configurationProblems(raw: Properties, environment: Environment): readonly string[] {
  const problems = configProblems(configSchema, raw);
  if (problems.length > 0) return problems;
  const decoded = decodedConfig(configSchema, raw);
  // What is not known yet is checked when it is.
  if (Object.values(decoded).includes(UNKNOWN)) return [];
  return [...identityProblems(decoded, environment), ...problemsOf(find(decoded, environment))];
}

/** @throws Error with the first problem. */
export function clientSettings(raw: Properties, environment: Environment): ClientSettings {
  const problem = configurationProblems(raw, environment)[0];
  if (problem !== undefined) throw new Error(problem);
  const found = find(decodedConfig(configSchema, raw), environment);
  return {
    baseUrl: found.baseUrl,
    tailnet: found.tailnet,
    credentials:
      found.apiKey === ""
        ? { clientId: found.oauthClientId, clientSecret: found.oauthClientSecret, scopes: found.scopes }
        : { apiKey: found.apiKey },
  };
}

/** As the provider does it: configuration first, then the environment; `file:` names a file with the value. */
function find(decoded: Properties, environment: Environment): Found {
  const value = (name: keyof Found, ...variables: readonly string[]): string => {
    const given = decoded[name];
    const fallback = variables.map((variable) => environment[variable] ?? "").find((it) => it !== "");
    const found = typeof given === "string" ? given : (fallback ?? "");
    return found.startsWith("file:") ? readFileSync(found.slice("file:".length), "utf8").trim() : found;
  };
  const scopes = configSchema.safeParse(decoded).data?.scopes ?? [];
  return {
    apiKey: value("apiKey", "TAILSCALE_API_KEY"),
    baseUrl: value("baseUrl", "TAILSCALE_BASE_URL"),
    oauthClientId: value("oauthClientId", "TAILSCALE_OAUTH_CLIENT_ID", "OAUTH_CLIENT_ID"),
    oauthClientSecret: value("oauthClientSecret", "TAILSCALE_OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET"),
    tailnet: value("tailnet", "TAILSCALE_TAILNET") || "-",
    scopes,
  };
}

function identityProblems(decoded: Properties, environment: Environment): readonly string[] {
  const given = ["audience", "identityToken", "identityTokenEnvironmentVariableName"].find(
    (name) => decoded[name] !== undefined,
  );
  const variable = ["TAILSCALE_AUDIENCE", "TAILSCALE_IDENTITY_TOKEN", "IDENTITY_TOKEN"].find(
    (name) => (environment[name] ?? "") !== "",
  );
  const name = given ?? variable;
  return name === undefined ? [] : [`\`${name}\` must not be set, a rehearsal has no federated identities`];
}

/** The rules of the provider's validateProviderCreds, and one of the rehearsal's. */
function problemsOf({ apiKey, baseUrl, oauthClientId, oauthClientSecret }: Found): readonly string[] {
  const both = "`oauthClientId` and `oauthClientSecret`";
  if (apiKey !== "" && (oauthClientId !== "" || oauthClientSecret !== "")) {
    return [`\`apiKey\` must not be set together with ${both}, got both`];
  }
  if (apiKey === "" && (oauthClientId === "" || oauthClientSecret === "")) {
    return [`\`apiKey\` (or TAILSCALE_API_KEY), or ${both}, must be set, got nothing`];
  }
  // The real service must not hear from a rehearsal, whatever the environment of its caller says.
  if (!/^http:\/\/127\.0\.0\.1:\d+\/?$/.test(baseUrl)) {
    return [
      `\`baseUrl\` (or TAILSCALE_BASE_URL) must be that of a rehearsal, http://127.0.0.1:PORT, got ${JSON.stringify(baseUrl)}`,
    ];
  }
  return [];
}
