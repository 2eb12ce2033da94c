/** `preview` and `up` of a ci stack that needs no change, against the same commands on an empty program, alternating. */
import { repository, run } from "./support/command.ts";
import { EmptyProgram } from "./support/empty-program.ts";
import { HomespanCluster } from "./support/homespan.ts";
import { median, progress, publish, roundsAsked, spread, table } from "./support/table.ts";

const rounds = roundsAsked();
const ours = new HomespanCluster("bench", ["agents=2", "apiPort=18443"]);
const empty = new EmptyProgram();

/** Seconds per kind of run. */
const times = {
  emptyPreview: [] as number[],
  emptyUp: [] as number[],
  preview: [] as number[],
  up: [] as number[],
  wrapperUp: [] as number[],
};

try {
  const environment = await ours.environment();
  const pulumi = async (args: readonly string[], ofEmpty: boolean): Promise<number> => {
    const stack = ofEmpty ? empty.stack : ours.name;
    const env = ofEmpty ? { ...environment, ...empty.environment } : environment;
    const cwd = ofEmpty ? empty.folder : repository;
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
  empty.remove();
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
