/** What is pushed to the rehearsal's registry runs on every node, wherever that stands. */
import { expect, test } from "vitest";
import { podman } from "../support/podman.ts";
import { pushGreeting, runOnNodes } from "../support/pushed-image.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { vmNodes } from "./rehearsal-vm.ts";

/** @param said - what the `up` that started the registry said */
export function rehearsalVmRegistry(stack: RehearsedStack, port: number, said: () => string): void {
  test("an image that is pushed to the registry runs in the cloud, on libvirt and on the Mac", async () => {
    const name = "greeting:1";
    const image = `localhost:${String(port)}/${name}`;
    const text = `greeting-${String(process.pid)}`;
    try {
      const digest = await pushGreeting(said(), port, name, text);
      await stack.renewKubeconfig();
      await runOnNodes(stack, vmNodes, { step: "pushed", image, digest, text }, 300);
    } finally {
      await podman(["rmi", "--force", image], { mayFail: true });
    }
    expect(await stack.kubectl(["get", "pods", "--output", "name"])).toBe("");
  });
}
