/** Plain data for the renderer of Lima's virtual machines. */
import fc from "fast-check";
import { type LimaMachine, renderLima } from "../../components/render/lima.ts";
import { limaFromBlueprint, usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { limaProvision, limaSources } from "../../components/render/lima-provision.ts";
import { renderUserData } from "../../components/render/user-data.ts";
import { limaImages } from "../../components/upstream/lima.ts";
import { sourceText } from "../boot/machine.ts";
import { cloudServer } from "./samples-machine.ts";

const { node: _, ...unseeded } = cloudServer;
export const userData = renderUserData({
  ...unseeded,
  firewall: { outside: "closed", sshPorts: [22], ingress: false },
  artifacts: [],
});
export const authorizedKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDexample homespan-home";
export const limaTexts = Object.fromEntries(limaSources.map((source) => [source, sourceText(source)]));
const provision = limaProvision({ sources: limaTexts, userData, authorizedKey });

function machine(name: string, changes: Partial<LimaMachine>, override = {}): LimaMachine {
  const { image, dataDiskGiB: __, ...sizes } = limaFromBlueprint(usualLimaBlueprint, override);
  return {
    vmType: "vz",
    images: limaImages[image],
    ...sizes,
    dataDisk: `home-${name}-data`,
    network: { kind: "user-v2" },
    sshPort: 60_101,
    provision,
    message: `Homespan: ${name} of cluster home (00000000000003f2)`,
    ...changes,
  };
}

/** An agent of the usual blueprint on a Mac. */
export const agent = machine("agent-1", {});
/** The one that differs, on the Mac's own network. */
export const agent4 = machine(
  "agent-4",
  { network: { kind: "vmnet", name: "shared" }, sshPort: 60_104 },
  { image: "ubuntu-25.10", cpus: 4, memoryMiB: 16_384 },
);
/** On Linux, or on a Mac with an old macOS. */
export const qemuAgent = machine("agent-1", { vmType: "qemu" });

/** Every golden: name -> text. */
export const limaGoldens: Readonly<Record<string, string>> = {
  agent: renderLima(agent),
  "agent-4": renderLima(agent4),
  "agent-qemu": renderLima(qemuAgent),
};

const word = fc.stringMatching(/^[A-Za-z0-9]{1,8}$/);
const name = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join("-"));
const text = fc
  .array(
    fc.oneof(
      fc.stringMatching(/^[ -~]{0,40}$/),
      fc.constantFrom("key: value", "- x", "0755", "é ✓", "\ttab"),
    ),
  )
  .map((lines) => `${lines.join("\n")}\n`.replaceAll("{{", "{"));
const hex = fc.stringMatching(/^[0-9a-f]{64}$/);

/** Whatever the renderer takes, for qemu, which the real `limactl` judges on Linux too. */
export const limaMachine: fc.Arbitrary<LimaMachine> = fc.record({
  vmType: fc.constant("qemu" as const),
  images: fc.array(
    fc.record({
      arch: fc.constantFrom("x86_64" as const, "aarch64" as const),
      location: name.map((it) => `https://images.example.org/${it}.img`),
      sha256: hex,
    }),
    { minLength: 1, maxLength: 3 },
  ),
  cpus: fc.integer({ min: 1, max: 64 }),
  memoryMiB: fc.integer({ min: 1, max: 1_048_576 }),
  diskGiB: fc.integer({ min: 1, max: 10_000 }),
  dataDisk: name,
  network: fc.constant({ kind: "user-v2" as const }),
  sshPort: fc.integer({ min: 1024, max: 65_535 }),
  provision: fc.array(
    fc.oneof(
      fc.record({
        mode: fc.constant("data" as const),
        path: fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => `/${words.join("/")}`),
        permissions: fc.constantFrom("644" as const, "755" as const),
        content: text,
      }),
      fc.record({ mode: fc.constant("system" as const), script: text.map((it) => `#!/bin/sh\n${it}`) }),
    ),
    { maxLength: 4 },
  ),
  message: fc.stringMatching(/^[ -z]{0,60}$/),
});
