/** What `paths --json` says of a rehearsed stack, as far as it is looked at. */
import { expect } from "vitest";
import { z } from "zod";
import type { RehearsedStack } from "./rehearsal.ts";

const report = z.object({
  nodes: z.array(z.object({ name: z.string(), problem: z.string().optional() })),
  paths: z.array(
    z.object({
      ...{ from: z.string(), to: z.string(), sameSite: z.boolean(), path: z.string() },
      roundTripMilliseconds: z.number().nonnegative().optional(),
      lanRoundTripMilliseconds: z.number().nonnegative().optional(),
      problem: z.string().optional(),
    }),
  ),
});

/** Measures all pairs: packets of each get there, and those between any two of `home` directly, as nodes of one site on one LAN. */
export async function expectDirectAtHome(
  stack: RehearsedStack,
  home: readonly string[],
  timeoutSeconds: number,
): Promise<void> {
  const { stdout } = await stack.homespan(["paths", stack.name, "--json"], { timeoutSeconds });
  const { nodes, paths } = report.parse(JSON.parse(stdout));
  for (const { from, to, path, roundTripMilliseconds, lanRoundTripMilliseconds: lan } of paths) {
    const beside = lan === undefined ? "" : `, on the LAN ${lan} ms`;
    process.stdout.write(
      `             ${from} to ${to}: ${path}, ${roundTripMilliseconds ?? "-"} ms${beside}\n`,
    );
  }
  expect(nodes.filter(({ problem }) => problem !== undefined)).toEqual([]);
  const silent = paths.filter(({ path }) => path !== "direct" && path !== "relay");
  expect(silent.map(({ from, to, path, problem }) => `${from} to ${to}: ${path}, ${problem ?? ""}`)).toEqual(
    [],
  );
  const atHome = paths.filter(({ from, to }) => home.includes(from) && home.includes(to));
  expect(atHome).toHaveLength(home.length * (home.length - 1));
  expect(atHome.filter((way) => !way.sameSite || way.path !== "direct")).toEqual([]);
  expect(atHome.filter((way) => way.lanRoundTripMilliseconds === undefined)).toEqual([]);
}
