/** What `kubectl config view --flatten` does with several files: of entries with one name it takes the first. */
import { existsSync, readFileSync } from "node:fs";
import { parse, stringify } from "yaml";

interface Entry {
  readonly name: string;
}

const kinds = ["clusters", "contexts", "users"] as const;
const files = (process.env["KUBECONFIG"] ?? "").split(":").filter((file) => existsSync(file));
const found = files.map((file) => {
  try {
    return (parse(readFileSync(file, "utf8")) ?? {}) as Readonly<Record<string, unknown>>;
  } catch {
    process.stderr.write(`error: error loading config file "${file}": yaml: it is none\n`);
    return process.exit(1);
  }
});

const merged = kinds.map((kind) => {
  const entries = found.flatMap((file) => (file[kind] ?? []) as readonly Entry[]);
  return [kind, entries.filter(({ name }, index) => entries.findIndex((it) => it.name === name) === index)];
});
const current = found.find((file) => file["current-context"] !== undefined)?.["current-context"];
process.stdout.write(
  stringify({ apiVersion: "v1", kind: "Config", ...Object.fromEntries(merged), "current-context": current }),
);
