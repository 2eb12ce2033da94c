/** No secret is where someone could read it who may not. */
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { objectsOf, podman } from "../support/podman.ts";
import { environmentOf, processes } from "../support/processes.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { type Place, type Secrets, findings, stateSecrets } from "../support/secrets.ts";

async function places(stack: RehearsedStack): Promise<readonly Place[]> {
  const { instances } = await stack.books();
  const userData = Object.entries(instances).map(([name, { userData }]) => ({
    name: `user-data of ${name}`,
    text: userData,
  }));
  expect(userData.map(({ text }) => text.length > 1000)).toEqual([true, true, true, true]);
  const containers = (await objectsOf(stack.world))
    .filter((line) => line.startsWith("container "))
    .map((line) => line.slice("container ".length));
  const inspected = await Promise.all(
    containers.map(async (name) => ({
      name: `inspect of ${name}`,
      text: (await podman(["container", "inspect", name])).stdout,
    })),
  );
  const { PULUMI_CONFIG_PASSPHRASE_FILE: passphrase } = await stack.environment();
  const kept = globSync("**/*", { cwd: stack.state })
    .map((path) => join(stack.state, path))
    // The passphrase is what secrets are kept safe with; what is in pulumi-home are links to what everyone has.
    .filter((path) => path !== passphrase && !path.includes("/pulumi-home/") && statSync(path).isFile())
    // What the rehearsed cloud itself knows of its customers' keys.
    .filter((path) => !path.endsWith("/aws.json") && !path.includes("/objects/keys/"))
    .map((path) => ({ name: path, text: readFileSync(path, "utf8") }));
  const running = processes().flatMap(({ pid, command }) => [
    { name: `arguments of process ${pid.toString()}`, text: command },
    { name: `environment of process ${pid.toString()}`, text: environmentOf(pid) },
  ]);
  const exported = await stack.pulumi(["stack", "export"]);
  return [{ name: "exported state", text: exported.stdout }, ...userData, ...inspected, ...kept, ...running];
}

/** What stands in secret objects beside secrets: addresses, URLs and host keys, which anyone may know. */
const everybodys = /^((\d+\.){3}\d+|https?:\/\/\S+|ssh-ed25519 \S+)$/;

export function rehearsalSecrecy(stack: RehearsedStack): void {
  test("the state's secrets are in no user-data, book, file, container or process", async () => {
    const exported = await stack.pulumi(["stack", "export", "--show-secrets"]);
    const all = stateSecrets(exported.stdout);
    const secrets: Secrets = new Map([...all].filter(([value]) => !everybodys.test(value)));
    const origins = [...secrets.values()].join("\n");
    expect(secrets.size).toBeGreaterThan(10);
    for (const kind of [/privateKey/, /kubeconfig/, /oken/, /authKey|\.key/]) expect(origins).toMatch(kind);
    expect(findings(secrets, await places(stack)).join("\n")).toBe("");
  });
}
