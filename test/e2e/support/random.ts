/** Random moments that can be had again: the seed is printed, and HOMESPAN_E2E_SEED sets it. */

const given = Number(process.env["HOMESPAN_E2E_SEED"]);
const seed = Number.isInteger(given) && given > 0 ? given : Date.now() % 1_000_000;
let current = seed;

/** From 0 to 1, by Park and Miller's generator: https://doi.org/10.1145/63039.63042 */
function next(): number {
  current = (current * 48_271) % 2_147_483_647;
  return current / 2_147_483_647;
}

/** Evenly between the bounds. */
export function momentBetween(low: number, high: number): number {
  const moment = low + (high - low) * next();
  process.stdout.write(`    seed ${seed.toString()}: ${moment.toFixed(2)} s\n`);
  return moment;
}

/** As many moments of a time of this length, as the waits from each to the next: for something that goes on where it was stopped. */
export function waitsOver(seconds: number, count: number): number[] {
  const moments = Array.from({ length: count }, () => next() * seconds).sort((one, other) => one - other);
  const listed = moments.map((moment) => moment.toFixed(2)).join(", ");
  process.stdout.write(`    seed ${seed.toString()}: ${listed} of ${seconds.toString()} s\n`);
  return moments.map((moment, index) => moment - (moments[index - 1] ?? 0));
}
