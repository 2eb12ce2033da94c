/** SshKey: a key pair that is made once. */
import { createPublicKey } from "node:crypto";
import ssh2 from "ssh2";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Harness, isSecret, plain } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

it("is an RSA key that Lightsail imports, and stays the same", async () => {
  const { id, state } = await h.create("SshKey", { clusterName: "ci" });
  expect(id).toBe("ci-ssh-key");
  expect(isSecret(state["privateKey"])).toBe(true);
  const { publicKey, privateKey } = plain(state) as { publicKey: string; privateKey: string };
  expect(privateKey).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
  expect(publicKey).toMatch(/^ssh-rsa AAAAB3NzaC1yc2E\S+ homespan-ci$/);
  expect(createPublicKey(privateKey).asymmetricKeyDetails?.modulusLength).toBe(3072);
  // Both are halves of one key, as another program reads them.
  const [parsed, half] = [ssh2.utils.parseKey(privateKey), ssh2.utils.parseKey(publicKey)];
  if (parsed instanceof Error || half instanceof Error) throw new Error("no key");
  expect(parsed.getPublicSSH()).toEqual(half.getPublicSSH());

  expect(await h.read("SshKey", state)).toEqual(state);
  expect(await h.diff("SshKey", state, { clusterName: "ci" })).toEqual({});
  expect(await h.diff("SshKey", state, { clusterName: "b" })).toEqual({ clusterName: "replace" });
  await h.delete("SshKey", state);
});
