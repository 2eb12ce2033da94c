/** How `up` from nothing grows with the number of agents. */
import { HomespanCluster } from "./support/homespan.ts";
import { progress, publish, spread, table, median, roundsAsked } from "./support/table.ts";

const sizes = [1, 2, 4, 8];
const rounds = roundsAsked();
const times = new Map<number, number[]>(sizes.map((size) => [size, []]));

for (let round = 1; round <= rounds; round += 1) {
  for (const size of sizes) {
    progress(`round ${round.toString()} of ${rounds.toString()}: ${size.toString()} agents`);
    const cluster = new HomespanCluster("bench", [`agents=${size.toString()}`, "apiPort=18443"]);
    try {
      times.get(size)?.push((await cluster.up()).seconds);
    } finally {
      await cluster.cleanUp();
    }
  }
}

const base = median(times.get(1) ?? []);
publish(
  "scale",
  table(
    ["agents", "`./homespan up`, seconds, median (runs)", "ratio to 1 agent"],
    [...times].map(([size, values]) => [size.toString(), spread(values), (median(values) / base).toFixed(2)]),
  ),
);
