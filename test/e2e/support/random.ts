/** Random moments that can be had again: the seed is printed, and HOMESPAN_E2E_SEED sets it. */

const given = Number(process.env["HOMESPAN_E2E_SEED"]);
const seed = Number.isInteger(given) && given > 0 ? given : Date.now() % 1_000_000;
let current = seed;

/** Evenly between the bounds. */
export function momentBetween(low: number, high: number): number {
  // Park and Miller's generator: https://doi.org/10.1145/63039.63042
  current = (current * 48_271) % 2_147_483_647;
  const moment = low + (high - low) * (current / 2_147_483_647);
  process.stdout.write(`    seed ${seed.toString()}: ${moment.toFixed(2)} s\n`);
  return moment;
}
