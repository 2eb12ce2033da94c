/** What is rendered for Lima, read by the real `limactl`. Where it is missing, these fail. */
import { execa } from "execa";
import fc from "fast-check";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderLima } from "../../components/render/lima.ts";
import { limaGoldens, limaMachine, qemuAgent } from "./samples-lima.ts";
import { unprivileged, unprivilegedEnvironment, unprivilegedHome } from "./unprivileged.ts";

let home: string;
beforeAll(() => {
  home = unprivilegedHome();
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

/** Warnings and errors. */
async function validate(...texts: readonly string[]): Promise<string[]> {
  const files = texts.map((text, index) => {
    const file = join(home, `machine-${index}.yaml`);
    writeFileSync(file, text);
    return file;
  });
  const { stderr } = await execa("limactl", ["validate", ...files], {
    ...unprivileged,
    extendEnv: false,
    env: unprivilegedEnvironment(home),
  });
  return stderr.split("\n").filter((line) => !line.includes("level=info"));
}

/** What only macOS has, another driver and other networks, in the words for Linux: all else is judged. */
function forLinux(text: string): string {
  return text.replace(/^vmType: vz$/m, "vmType: qemu").replace(/^ {2}- lima: shared$/m, "  - lima: user-v2");
}

describe("limactl validate", () => {
  test.each(Object.entries(limaGoldens))("has nothing to say about %s", async (_name, text) => {
    expect(await validate(forLinux(text))).toEqual([]);
  });

  test("takes whatever this project's own check takes", async () => {
    const texts = fc.sample(limaMachine, 60).map(renderLima);
    expect(await validate(...texts)).toEqual([]);
  });

  test("warns of a key it does not know: without warnings every key is known", async () => {
    const warned = await validate(renderLima(qemuAgent).replace("plain: true", "plane: true"));
    expect(warned.join("\n")).toMatch(/unknown field .*plane/);
  });

  test.each([
    ["a name it does not take", "name: home-agent-1-data", "name: a--b", /additionalDisks\[0\]/],
    ["a sum that is none", /sha256:[0-9a-f]+/, "sha256:0", /digest/],
    ["another release than it is", /minimumLimaVersion: .*/, "minimumLimaVersion: 99.0.0", /99\.0\.0/],
  ] as const)("refuses %s", async (_name, from, to, message) => {
    await expect(validate(renderLima(qemuAgent).replace(from, to))).rejects.toThrow(message);
  });
});
