/** How often something is asked that is not there yet. */
import { expect, test } from "vitest";
import { type Clock, waitFor } from "../../provider/effects/wait.ts";

/** A clock that moves while one sleeps, and while somebody is asked. */
class Hands implements Clock {
  time = 0;
  readonly pauses: number[] = [];

  now(): number {
    return this.time;
  }

  sleep(milliseconds: number): Promise<void> {
    this.pauses.push(Math.round(milliseconds));
    this.time += milliseconds;
    return Promise.resolve();
  }
}

async function pausesOf(askingMilliseconds: number, seconds: number): Promise<readonly number[]> {
  const clock = new Hands();
  const never = (): Promise<undefined> => {
    clock.time += askingMilliseconds;
    return Promise.resolve(undefined);
  };
  const { signal } = new AbortController();
  await waitFor(never, { seconds, signal, clock });
  return clock.pauses;
}

test("pauses grow to a second, and end with the time there is", async () => {
  expect(await pausesOf(0, 3)).toEqual([100, 150, 225, 338, 506, 759, 922]);
});

test("who takes long to answer is asked less often, but not for ever", async () => {
  expect(await pausesOf(1000, 7)).toEqual([2000, 2000]);
  expect(await pausesOf(20_000, 60)).toEqual([5000, 5000]);
});
