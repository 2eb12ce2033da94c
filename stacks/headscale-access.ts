/** What a stack needs to reach a Headscale server that somebody runs already: its CA, its key, and a release that will do. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isFree, renderHeadscalePolicy } from "../components/render/headscale-policy.ts";
import { headscaleKeyVariable, leastHeadscale } from "../components/upstream/headscale.ts";
import type { HeadscaleFinding, HeadscaleInspection } from "../provider/effects/headscale-inspection.ts";
import type { Problem } from "./grammar.ts";
import type { TailnetConfig } from "./machine-tailnet-config.ts";
import type { TailnetSettings } from "./machine-tailnet.ts";
import { podRoutesOf } from "./pod-network.ts";

/** Everything a tailnet's access is made of that is not configuration. */
export interface TailnetAccess {
  /** CA of the control server, PEM; "" for a public one. */
  readonly caCertificate: string;
  readonly problems: readonly Problem[];
}

type Environment = Readonly<Record<string, string | undefined>>;
type HeadscaleConfig = Extract<TailnetConfig, { kind: "headscale" }>;

/** Nothing is asked of Tailscale: its own provider does, and says what it misses. */
export async function tailnetAccess(
  config: TailnetSettings,
  environment: Environment,
): Promise<TailnetAccess> {
  const { tailnet } = config;
  if (tailnet.kind === "tailscale") return { caCertificate: "", problems: [] };
  const { caCertificate, problem } = await readAuthority(tailnet.caFile);
  const apiKey = environment[headscaleKeyVariable] ?? "";
  const problems = [
    ...(problem === undefined ? [] : [problem]),
    ...(apiKey === "" ? [{ field: headscaleKeyVariable, rule: keyRule(tailnet) }] : []),
  ];
  const ref = { kind: "headscale-server" as const, url: tailnet.url, caCertificate };
  // Nothing of it is loaded where there is no Headscale.
  const { inspectHeadscale } = await import("../provider/effects/headscale-inspection.ts");
  const found = await inspectHeadscale(ref, apiKey, environment);
  // Without its CA no server is trusted, which is told already.
  const findings = found.findings.filter(({ kind }) => problem === undefined || kind !== "untrusted");
  return {
    caCertificate,
    problems: [
      ...problems,
      ...findings.map((finding) => problemOf(finding, tailnet)),
      ...policyProblems(config, tailnet, found),
    ],
  };
}

function keyRule({ url }: HeadscaleConfig): string {
  return `be set in the environment, to an API key of ${url} (headscale apikeys create)`;
}

const projectFolder = dirname(dirname(fileURLToPath(import.meta.url)));

/** Certificates alone: they are kept as they are, and are on every machine. */
async function readAuthority(
  caFile: string | undefined,
): Promise<{ readonly caCertificate: string; readonly problem?: Problem }> {
  if (caFile === undefined) return { caCertificate: "" };
  const path = caFile.startsWith("~/") ? join(homedir(), caFile.slice(2)) : resolve(projectFolder, caFile);
  const refused = (rule: string): { caCertificate: string; problem: Problem } => ({
    caCertificate: "",
    problem: { field: "tailnet.caFile", rule, got: caFile },
  });
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return refused(`be a file that can be read, from ${projectFolder} on`);
  if (text.includes("PRIVATE KEY")) return refused("be a file without a private key");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || !blocks.every(isCertificate)) {
    return refused("be a file with a certificate in PEM, -----BEGIN CERTIFICATE-----");
  }
  return { caCertificate: `${blocks.join("\n")}\n` };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function problemOf(finding: HeadscaleFinding, { url, caFile }: HeadscaleConfig): Problem {
  const field = "tailnet.url";
  switch (finding.kind) {
    case "silent":
      return { field, rule: `answer from this machine (${finding.reason})`, got: url };
    case "untrusted": {
      const way =
        caFile === undefined ? "`tailnet.caFile` names the CA of a private one" : "by `tailnet.caFile`";
      return { field, rule: `have a certificate that is trusted: ${way} (${finding.reason})`, got: url };
    }
    case "strange":
      return { field, rule: `be the URL of a Headscale server (${finding.reason})`, got: url };
    case "old":
      return {
        field,
        rule: `be of Headscale ${leastHeadscale.join(".")} or newer, and is of ${finding.version}`,
        got: url,
      };
    case "refused":
      return {
        field: headscaleKeyVariable,
        rule: `be a valid API key of ${url} (headscale apikeys list), and was refused`,
      };
  }
}

function policyProblems(
  config: TailnetSettings,
  { adopt, policy, user, admins }: HeadscaleConfig,
  found: HeadscaleInspection,
): Problem[] {
  if (policy === "elsewhere") return [];
  const { clusterName, disable } = config;
  const text = renderHeadscalePolicy({
    ...{ clusterName, user, admins },
    metricsServer: !disable.includes("metrics-server"),
    podRoutes: podRoutesOf(config),
    tests: "resolvable",
  });
  const field = "tailnet.policy";
  if (found.policyInFile) {
    return [
      {
        field,
        rule:
          "be elsewhere, as the server keeps its policy in a file; merge this into it then, " +
          `or let the server keep it itself (policy.mode: database in its configuration):\n${text}`,
      },
    ];
  }
  if (adopt || found.policy === undefined || isFree(found.policy, clusterName)) return [];
  return [
    {
      field,
      rule:
        "be elsewhere, as others have written the server's policy; merge this into it then, " +
        `or let this take its place (\`tailnet.adopt: true\`):\n${text}`,
    },
  ];
}
