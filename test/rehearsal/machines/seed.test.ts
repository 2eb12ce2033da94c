import { execa } from "execa";
import { expect, test } from "vitest";
import { blueprintUser, renderSeed } from "../../../rehearsal/machines/seed.ts";

const seed = {
  instanceId: "i-0123456789abcdef",
  hostName: "ip-172-26-6-16",
  publicKey: "ssh-rsa AAAAB3Nza homespan-lightsail",
  userData: '#!/bin/sh\nset -eu\necho "it is here" $1\n',
  authority: "ssh-ed25519 AAAAC3Nza lightsail",
};

test("golden: what Lightsail makes of user-data", async () => {
  const { "user-data": text } = renderSeed(seed);
  await expect(text).toMatchFileSnapshot("golden/user-data.sh");
  expect(text.endsWith(seed.userData)).toBe(true);
  expect((await execa("sh", ["-n"], { input: text })).stderr).toBe("");
});

test("the key and the name come with the metadata, and without a key none does", () => {
  expect(JSON.parse(renderSeed(seed)["meta-data"])).toEqual({
    "instance-id": "i-0123456789abcdef",
    "local-hostname": "ip-172-26-6-16",
    "public-keys": ["ssh-rsa AAAAB3Nza homespan-lightsail"],
  });
  expect(JSON.parse(renderSeed({ ...seed, publicKey: undefined })["meta-data"])).not.toHaveProperty(
    "public-keys",
  );
});

test("the user is the blueprint's", () => {
  expect(blueprintUser("debian_12")).toBe("admin");
  expect(blueprintUser("ubuntu_24_04")).toBe("ubuntu");
  expect(() => blueprintUser("wordpress")).toThrow(
    '`blueprintId` must be a Debian or an Ubuntu one in a rehearsal, got "wordpress"',
  );
});
