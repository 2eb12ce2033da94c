import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import program from "../../stacks/index.ts";
import { topologies } from "../../stacks/topology.ts";
import { prepared } from "../components/support/prepared.ts";
import { record, type Recording } from "../components/support/recorder.ts";

let folder: string;
const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-program-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
  pulumi.runtime.setAllConfig({});
  // The program takes it away for its own run.
  if (before !== undefined) Object.defineProperty(Error, "prepareStackTrace", before);
});

/** Runs the program as Pulumi does, with the committed configuration of a topology. */
function run(topology: string): Promise<Recording> {
  const file = new URL(`../../Pulumi.${topology}.yaml`, import.meta.url);
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  pulumi.runtime.setAllConfig(
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
  );
  return record(prepared, program, { stack: topology });
}

test.each(topologies)("%s: the committed file is run by the program", async (topology) => {
  const recording = await run(topology);
  const [type, name] =
    topology === "homelab" ? ["homespan:k3s:JoinedAgents", "agents"] : ["homespan:k3s:K3sCluster", "cluster"];
  expect(recording.find(type, name).urn).toContain(`urn:pulumi:${topology}::`);
});

test("HOMESPAN_ARTIFACTS is a fact about this machine: the lightsail stack's nodes download from there", async () => {
  const file = join(folder, "artifacts.json");
  const amd64 = { urls: ["http://10.0.0.1/k3s"], sha256: "1".repeat(64) };
  writeFileSync(file, JSON.stringify({ k3s: { amd64 } }));
  vi.stubEnv("HOMESPAN_ARTIFACTS", file);
  const { find } = await run("lightsail");
  expect(find("homespan:index:MachineBoot", "server-1-boot").inputs).toHaveProperty(
    ["files", "artifacts.conf"],
    expect.stringContaining("K3S_AMD64_URL=http://10.0.0.1/k3s\n"),
  );
});

test("no stack loads the clouds of another before it is the one", () => {
  const source = readFileSync(new URL("../../stacks/index.ts", import.meta.url), "utf8");
  const loaded = [...source.matchAll(/^import (?!type).*from "(.*)";$/gm)].map(([, path]) => path);
  expect(loaded).toEqual(["./config.ts"]);
});
