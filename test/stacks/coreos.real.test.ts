/** What a machine of a stack is installed with, as its own program makes it, read by the program that reads it on the machine. */
import { execa } from "execa";
import { expect, test, vi } from "vitest";
import * as pulumi from "@pulumi/pulumi";
import { homeMakers } from "../../stacks/home-hosts.ts";
import { checkHomelabConfig } from "../../stacks/homelab-config.ts";
import { homelabStack } from "../../stacks/homelab.ts";
import { prepared } from "../components/support/prepared.ts";
import { record } from "../components/support/recorder.ts";
import { homespanTools } from "../render/tools.ts";

const node = (name: string, address: string) => ({ name, coreos: { address, site: "home" } });

test("ignition-validate has nothing to say about what the homelab stack's machines are installed with", async () => {
  vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  const values = {
    tailnet: JSON.stringify({ kind: "tailscale", domain: "tail0a1b2c.ts.net" }),
    servers: JSON.stringify([node("metal-1", "192.168.1.60")]),
    agents: JSON.stringify([node("metal-2", "192.168.1.61")]),
  };
  const { own, warnings } = checkHomelabConfig({ stackName: "homelab", values }).checked ?? {};
  if (own === undefined || warnings === undefined) throw new Error("the configuration must be right");
  const makers = await homeMakers(own.home);
  const machine = { mirror: undefined, caCertificate: "" };
  const recording = await record(prepared, () => homelabStack({ own, warnings }, machine, makers));
  const texts = recording
    .ofType("homespan:index:InstalledMachine")
    .map(({ inputs }) => String(inputs["firstConfiguration"]));
  expect(texts).toHaveLength(2);
  for (const input of texts) {
    const { all } = await execa("ignition-validate", ["-"], { input, all: true, env: homespanTools });
    expect(all).toBe("");
  }
});
