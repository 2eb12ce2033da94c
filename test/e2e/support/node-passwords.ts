/** The password with which a node proves to k3s that it is who it was: one for each Node, none for one that is gone. */
import { expect } from "vitest";
import { nodePasswords } from "./kube.ts";
import { eventually } from "./wait.ts";

/**
 * Of a server k3s keeps it only once its own API has started, and looks for that every five seconds: the Node may be Ready before
 * (k3s's pkg/nodepassword/validate.go, verifyLocalPassword).
 */
export async function everyPasswordKept(
  cluster: Parameters<typeof nodePasswords>[0],
  nodes: readonly string[],
  server?: string,
): Promise<void> {
  await eventually("every node's password is kept", 60, async () => {
    expect((await nodePasswords(cluster, server)).sort()).toEqual(
      nodes.map((node) => `secret/${node}.node-password.k3s`).sort(),
    );
  });
}
