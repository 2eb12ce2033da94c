/** `paths` over SSH: every two nodes of the region reach each other directly, on their private network, and a map says so. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readXml } from "../../support/xml.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { rehearsedNodes } from "./rehearsal-creation.ts";

/** What `paths --json` prints of nodes that all answer. */
const report = z.strictObject({
  stack: z.literal("lightsail"),
  svg: z.string(),
  nodes: z.array(
    z.strictObject({
      name: z.string(),
      site: z.literal("eu-central-1"),
      tailnetAddress: z.string().regex(/^100\.64\.0\./),
      flannelPublicIp: z.string(),
      tailscaleMtu: z.literal(1280),
      flannelMtu: z.literal(1230),
      nat: z.enum(["none", "easy", "hard", "unknown"]),
      publicEndpoint: z.string().regex(/^198\.18\.\d+\.\d+:\d+$/),
      relay: z.string().min(1),
    }),
  ),
  paths: z.array(
    z.strictObject({
      ...{ from: z.string(), to: z.string(), sameSite: z.literal(true) },
      path: z.literal("direct"),
      endpoint: z.string().regex(/:41641$/),
      roundTripMilliseconds: z.number().nonnegative(),
      lanRoundTripMilliseconds: z.number().nonnegative().optional(),
      device: z.literal("tailscale0"),
    }),
  ),
  throughput: z.array(
    z.strictObject({ from: z.string(), to: z.string(), megabitsPerSecond: z.number().positive() }),
  ),
  /** A busy machine may answer late. */
  warnings: z.array(z.string().regex(/^the round trip .* more than 20 ms$/)),
});

export function rehearsalPaths(stack: RehearsedStack): void {
  test("paths measures all pairs over SSH, and draws them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hs-paths-"));
    const file = join(folder, "paths.svg");
    try {
      const args = ["paths", stack.name, "--throughput", "--svg", file, "--json"];
      const { stdout } = await stack.homespan(args, { timeoutSeconds: 120 });
      const { nodes, paths, throughput, svg } = report.parse(JSON.parse(stdout));
      expect(nodes.map(({ name }) => name).sort()).toEqual(rehearsedNodes);
      for (const { flannelPublicIp, tailnetAddress, publicEndpoint, name } of nodes) {
        expect(flannelPublicIp).toBe(tailnetAddress);
        expect(publicEndpoint.split(":")[0]).toBe(await stack.publicAddress(name));
      }
      const count = rehearsedNodes.length;
      expect(new Set(paths.map(({ from, to }) => `${from} ${to}`)).size).toBe(count * (count - 1));
      expect(paths.filter((path) => path.lanRoundTripMilliseconds !== undefined)).not.toEqual([]);
      expect(throughput).toHaveLength((count * (count - 1)) / 2);
      for (const { to, endpoint, lanRoundTripMilliseconds } of paths) {
        // By its public address a node is reached through the cloud's router.
        const onLan = endpoint.startsWith(`${await stack.privateAddress(to)}:`);
        if (!onLan) expect(lanRoundTripMilliseconds, `${to} at ${endpoint}`).toBeUndefined();
        const own = [await stack.privateAddress(to), await stack.publicAddress(to)];
        expect(own).toContain(endpoint.split(":")[0]);
      }
      expect(svg).toBe(file);
      const drawn = readXml(readFileSync(file, "utf8"));
      expect(drawn[0]?.name).toBe("svg");
      for (const name of rehearsedNodes) expect(drawn.map(({ text }) => text.trim())).toContain(name);
      const lines = drawn.filter(({ name, attributes }) => name === "path" && attributes["fill"] === "none");
      expect(lines).toHaveLength((count * (count - 1)) / 2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
