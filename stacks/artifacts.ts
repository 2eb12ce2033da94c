/** What machines download, and from where. */
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Artifact } from "../components/render/machine-files.ts";
import { k3sDownloads, tailscaleDownloads, type PinnedDownloads } from "../components/upstream/artifacts.ts";
import { formatProblem } from "./grammar.ts";
import { problemsOf } from "./schema-check.ts";

/**
 * Names a JSON file with a mirror of the programs machines download: a fact about the network this machine is in, and so
 * no configuration of a stack.
 *
 * ```json
 * { "k3s": { "amd64": { "urls": ["https://mirror.example.com/k3s"], "sha256": "64 hexadecimal digits" } },
 *   "tailscale": { "amd64": { "urls": ["https://mirror.example.com/tailscale.tgz"], "sha256": "..." } },
 *   "flatcar": { "fingerprint": "40 hexadecimal digits" } }
 * ```
 *
 * Each key may be left out, as may `amd64` or `arm64`: machines of that kind then have no such program. What is there
 * takes the place of the official download, so that a mirror may serve builds of its own; `tailscale` is an archive with
 * the programs tailscale and tailscaled in any folder. The URLs are tried in turn. A changed file is delivered to running nodes.
 * With `flatcar` the images of virtual machines are builds of the mirror's own too: where they are and their sum are the
 * stack's to say, and the primary key that must have signed them is this one in the place of Flatcar's.
 */
export const artifactsVariable = "HOMESPAN_ARTIFACTS";

const text = (rule: string): z.ZodString => z.string({ error: rule });
const sumRule = "be 64 lower-case hexadecimal digits";
const urlRule = "be an http:// or https:// URL without spaces";
const urlsRule = "be a list of at least one URL";
const download = {
  urls: z
    .array(text(urlRule).regex(/^https?:\/\/[^\s\p{Cc}]+$/u, { error: urlRule }), { error: urlsRule })
    .min(1, { error: urlsRule }),
  sha256: text(sumRule).regex(/^[0-9a-f]{64}$/, { error: sumRule }),
};
const pinned = z.strictObject(download, { error: "be a mapping with urls and sha256" }).optional();
const kinds = { amd64: pinned, arm64: pinned };
const program = z.strictObject(kinds, { error: "be a mapping with amd64 or arm64" }).optional();
const fingerprintRule = "be an OpenPGP key's fingerprint: 40 upper-case hexadecimal digits";
const signer = { fingerprint: text(fingerprintRule).regex(/^[0-9A-F]{40}$/, { error: fingerprintRule }) };
const flatcar = z.strictObject(signer, { error: "be a mapping with fingerprint" }).optional();
const parts = { k3s: program, tailscale: program, flatcar };
const mirrorSchema = z.strictObject(parts, { error: "be a mapping with k3s, tailscale or flatcar" });
export type Mirror = z.infer<typeof mirrorSchema>;

/**
 * @param file what {@link artifactsVariable} names; nothing for the official downloads
 * @throws pulumi.RunError naming every problem, in the grammar of stacks/grammar.ts
 */
export function readMirror(file: string | undefined): Mirror | undefined {
  if (file === undefined || file === "") return undefined;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new pulumi.RunError(`\`${artifactsVariable}\` must name a JSON file: ${reason}`);
  }
  const result = mirrorSchema.safeParse(content);
  if (result.success) return result.data;
  const lines = result.error.issues
    .flatMap((issue) => problemsOf(issue, ["artifacts"], { artifacts: content }, keysAt))
    .map((problem) => `  - ${formatProblem(problem)}`);
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  throw new pulumi.RunError(
    [`The file that ${artifactsVariable} names, ${file}, has ${count}:`, ...lines].join("\n"),
  );
}

function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const below = path[1] === "flatcar" ? [signer] : [kinds, download];
  return Object.keys([parts, ...below][path.length - 1] ?? {});
}

/** What a node of this release of k3s downloads. */
export function machineArtifacts(k3sVersion: string, mirror: Mirror | undefined): Artifact[] {
  return [
    {
      name: "K3S",
      path: "/usr/local/bin/k3s",
      files: [],
      downloads: known(mirror?.k3s) ?? k3sDownloads[k3sVersion] ?? {},
    },
    {
      name: "TAILSCALE",
      path: "/usr/local/bin",
      files: ["tailscale", "tailscaled"],
      downloads: known(mirror?.tailscale) ?? tailscaleDownloads,
    },
  ];
}

/** Without the kinds of machines that are explicitly undefined. */
function known(downloads: Mirror["k3s"]): PinnedDownloads | undefined {
  if (downloads === undefined) return undefined;
  const { amd64, arm64 } = downloads;
  return { ...(amd64 === undefined ? {} : { amd64 }), ...(arm64 === undefined ? {} : { arm64 }) };
}
