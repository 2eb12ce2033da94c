import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { capture } from "../cluster.ts";
import type { Context } from "../context.ts";

/** Versions of the project, its Node, and the pulumi it would run. */
export async function version(context: Context): Promise<void> {
  const packageFile = await readFile(join(context.paths.checkout, "package.json"), "utf8");
  const own = (JSON.parse(packageFile) as { version: string }).version;
  const pulumi = await capture(context, "pulumi", ["version"]);
  const found = {
    homespan: own,
    node: process.versions.node,
    pulumi: pulumi.ok ? pulumi.text.trim().replace(/^v/, "") : null,
  };
  if (context.console.json) context.console.out(JSON.stringify(found));
  else {
    context.console.out(
      `homespan ${found.homespan}\nnode ${found.node}\npulumi ${found.pulumi ?? "(not installed yet)"}`,
    );
  }
}
