/** Which files the join layer puts on a node, and what their checksums have to be. */
import { createHash } from "node:crypto";
import type { z } from "zod";
import type { ArchivedFile } from "../effects/archive.ts";
import type { nodeConfigInputs } from "../schema/resources.ts";

type Settings = z.output<typeof nodeConfigInputs>;
export type JoinVariant = "fresh" | "initialised";

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** All files; the node itself puts what others wait for in place last. */
export function joinFiles(inputs: Settings, variant: JoinVariant): readonly ArchivedFile[] {
  return [
    ...Object.entries(inputs.secretFiles).map(([path, content]) => ({ path, content, mode: 0o600 })),
    { path: inputs.joinFile.path, content: inputs.joinFile[variant], mode: 0o644 },
    ...Object.entries(inputs.files).map(([path, content]) => ({ path, content, mode: 0o644 })),
  ];
}

/** Path -> sha256 of what has to be on the node. */
export function expectedSums(inputs: Settings, variant: JoinVariant): Record<string, string> {
  return Object.fromEntries(joinFiles(inputs, variant).map((file) => [file.path, sha256(file.content)]));
}
