/** `preview` and `up` of a ci stack that needs no change, against the same commands on an empty program, alternating. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository, run } from "./support/command.ts";
import { HomespanCluster } from "./support/homespan.ts";
import { median, progress, publish, roundsAsked, spread, table } from "./support/table.ts";

const rounds = roundsAsked();
const ours = new HomespanCluster("bench", ["agents=2", "apiPort=18443"]);
const empty = mkdtempSync(join(tmpdir(), "homespan-bench-empty-"));

/** A project with the same runtime options and packages, and a program that declares nothing. */
function writeEmptyProject(): void {
  const project =
    "name: empty\nruntime:\n  name: nodejs\n  options:\n    typescript: false\nmain: index.js\n";
  writeFileSync(join(empty, "Pulumi.yaml"), project);
  writeFileSync(join(empty, "package.json"), '{ "name": "empty", "type": "module", "main": "index.js" }\n');
  writeFileSync(join(empty, "index.js"), 'import "@pulumi/pulumi";\n');
  symlinkSync(join(repository, "node_modules"), join(empty, "node_modules"));
  mkdirSync(join(empty, "state"));
}

/** Seconds per kind of run. */
const times = {
  emptyPreview: [] as number[],
  emptyUp: [] as number[],
  preview: [] as number[],
  up: [] as number[],
  wrapperUp: [] as number[],
};

try {
  writeEmptyProject();
  const environment = await ours.environment();
  const emptyEnvironment = { ...environment, PULUMI_BACKEND_URL: `file://${join(empty, "state")}` };
  const passphrase = { PULUMI_CONFIG_PASSPHRASE: "empty" };
  const pulumi = async (args: readonly string[], ofEmpty: boolean): Promise<number> => {
    const stack = ofEmpty ? "empty" : ours.name;
    const env = ofEmpty ? { ...emptyEnvironment, ...passphrase } : environment;
    const cwd = ofEmpty ? empty : repository;
    return (await run("pulumi", [...args, "--stack", stack, "--non-interactive"], { cwd, env })).seconds;
  };
  await pulumi(["stack", "init"], true);
  progress("bringing the cluster up");
  await ours.up();
  for (let round = 1; round <= rounds; round += 1) {
    progress(`round ${round.toString()} of ${rounds.toString()}`);
    times.emptyPreview.push(await pulumi(["preview"], true));
    times.preview.push(await pulumi(["preview", "--expect-no-changes"], false));
    times.emptyUp.push(await pulumi(["up", "--yes", "--skip-preview"], true));
    times.up.push(await pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"], false));
    times.wrapperUp.push((await ours.up()).seconds);
  }
} finally {
  await ours.cleanUp();
  rmSync(empty, { recursive: true, force: true });
}

function row(what: string, values: readonly number[], bare: readonly number[]): string[] {
  return [what, spread(values), spread(bare), (median(values) / median(bare)).toFixed(2)];
}

publish(
  "noop",
  table(
    ["nothing to change", "ci stack, seconds, median (runs)", "empty program", "ratio"],
    [
      row("`pulumi preview`", times.preview, times.emptyPreview),
      row("`pulumi up`", times.up, times.emptyUp),
      row("`./homespan up`, set-up checks and node table included", times.wrapperUp, times.emptyUp),
    ],
  ),
);
