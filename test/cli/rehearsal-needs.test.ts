/** What a rehearsal prepares on this machine, and what keeps virtual machines from being rehearsed. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Context } from "../../cli/context.ts";
import { prepareRehearsal } from "../../cli/rehearsal-needs.ts";
import type { Group, Prepared, ToolRow } from "../../toolchain/types.ts";
import { bed, failure } from "./verb-support.ts";

const names = ["k3s", "tailscale", "tailscaled", "versitygw", "limactl", "ignition"];
const machines = { nodes: ["vm-1"], pools: ["default"] };
const mac = { name: "imac", user: "admin" };

function prepared(arch: "amd64" | "arm64" = "amd64"): { context: Context; asked: Group[] } {
  const { context } = bed();
  const asked: Group[] = [];
  const tools = names.map((tool): ToolRow => ({
    ...{ tool, group: "core", version: "1", source: "modules", path: `/tools/${tool}`, size: 1 },
    offered: { download: null, modules: "1" },
  }));
  const prepare: Context["machine"]["prepare"] = async (given, groups): Promise<Prepared> => {
    asked.push(...groups);
    const found = await made(given, groups);
    return { ...found, machine: { ...found.machine, arch }, tools };
  };
  const made = context.machine.prepare;
  return { context: { ...context, machine: { ...context.machine, prepare } }, asked };
}

test("what is not rehearsed is not prepared", async () => {
  const { context, asked } = prepared();
  const { tool } = await prepareRehearsal(context, { mac: undefined, machines: undefined });
  expect(asked).toEqual(["core", "rehearsal"]);
  expect(tool("limactl").path).toBe("/tools/limactl");
  expect(() => tool("qemu")).toThrow("qemu is not installed; run: ./homespan toolchain --prepare");
});

test("a registry takes its image", async () => {
  const { context, asked } = prepared();
  await prepareRehearsal(context, { mac: undefined, machines: undefined }, { registry: true });
  expect(asked).toEqual(["core", "rehearsal", "registry"]);
});

test("virtual machines take libvirt's tools and their image's", async () => {
  const { context, asked } = prepared();
  mkdirSync(join(context.paths.cache, "terraform"), { recursive: true });
  await prepareRehearsal(context, { mac, machines });
  expect(asked).toEqual(["core", "rehearsal", "mac", "homelab", "guest"]);
});

test("where they cannot be rehearsed it says so", async () => {
  const other = prepared("arm64");
  expect((await failure(prepareRehearsal(other.context, { mac, machines }))).message).toMatch(
    /must be rehearsed on amd64, as their image is for it, got arm64$/,
  );
  const { context } = prepared();
  expect((await failure(prepareRehearsal(context, { mac, machines }))).message).toMatch(
    /run: HOMESPAN_SOURCE=modules \.\/homespan toolchain --prepare --group homelab$/,
  );
});
