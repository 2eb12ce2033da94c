/** The files of one node, from what `pulumi preview --json` says its resources would get. Pure. */
import { z } from "zod";
import { Failure, InputError, didYouMean } from "./errors.ts";

export interface NodeFile {
  /** Below /data on the node. */
  readonly path: string;
  readonly content: string;
  /** When it applies, for the two forms of a file of which one is written. */
  readonly remark?: string;
  /** True for a line that stands for files whose names are not known yet. */
  readonly unknown?: boolean;
}

const inputsSchema = z.object({
  nodeName: z.string().optional(),
  files: z.union([z.record(z.string(), z.unknown()), z.string()]).optional(),
  secretFiles: z.union([z.record(z.string(), z.unknown()), z.string()]).optional(),
  joinFile: z
    .union([z.object({ path: z.string(), fresh: z.string(), initialised: z.string() }), z.string()])
    .optional(),
});
const previewSchema = z.object({
  steps: z
    .array(
      z.object({
        op: z.string(),
        urn: z.string(),
        newState: z.object({ inputs: z.unknown().optional() }).optional(),
      }),
    )
    .default([]),
});

/** What Pulumi prints for a value that is known only once something else was made. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What Pulumi prints for a secret. */
const secret = "[secret]";

/**
 * @throws InputError when no resource belongs to that node.
 */
export function nodeFiles(previewJson: string, node: string): NodeFile[] {
  const { steps } = previewSchema.parse(JSON.parse(previewJson.slice(previewJson.indexOf("{"))));
  const names = new Set<string>();
  const files = new Map<string, NodeFile>();
  for (const step of steps) {
    const parsed = inputsSchema.safeParse(step.newState?.inputs);
    if (!parsed.success || parsed.data.nodeName === undefined) continue;
    names.add(parsed.data.nodeName);
    if (parsed.data.nodeName !== node) continue;
    for (const file of filesOf(parsed.data)) files.set(`${file.path} ${file.remark ?? ""}`, file);
  }
  if (!names.has(node)) {
    const known = [...names].sort();
    throw new InputError(
      `<node> must be one of ${known.join(", ")}, got "${node}"${didYouMean(node, known)}`,
    );
  }
  if (files.size === 0) throw new Failure(`the preview shows no files for ${node}`);
  return [...files.values()].sort((a, b) => a.path.localeCompare(b.path));
}

function filesOf({ files, secretFiles, joinFile }: z.infer<typeof inputsSchema>): NodeFile[] {
  const result: NodeFile[] = [];
  if (typeof files === "string")
    result.push(later("steward/, boot/", "files that depend on what up makes first"));
  else
    for (const [path, content] of Object.entries(files ?? {})) result.push({ path, content: shown(content) });
  // Of a stack that is up they are known, and Pulumi shows of all together that they are secret.
  if (typeof secretFiles === "string")
    result.push({
      ...later("secrets/", "secret files"),
      ...(secretFiles === secret ? { content: `${secret}\n` } : {}),
    });
  else for (const path of Object.keys(secretFiles ?? {})) result.push({ path, content: `${secret}\n` });
  if (typeof joinFile === "object") {
    const { path, fresh, initialised } = joinFile;
    result.push({ path, content: fresh, remark: "while the cluster is not initialised" });
    result.push({ path, content: initialised, remark: "once the cluster is initialised" });
  }
  return result;
}

function later(path: string, what: string): NodeFile {
  return { path, content: "[known after up]\n", remark: what, unknown: true };
}

function shown(content: unknown): string {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  return text.replaceAll(unknownValue, "[known after up]");
}
