/** Removing Podman objects, where a removal ends with an error. */
import { beforeEach, expect, test } from "vitest";
import { removeContainer } from "../../provider/effects/removal.ts";
import { FakePodman } from "./fake-podman.ts";

const name = "homespan-ci-registry";
let podman: FakePodman;

beforeEach(async () => {
  podman = new FakePodman();
  await podman.command(["create", "--name", name, "--label", "homespan.cluster=ci", "registry:3"]);
});

test("an error after the container's end is none", async () => {
  podman.remove = (_kind, container) => {
    podman.containers.delete(container);
    return Promise.reject(new Error("podman rm failed: its network could not be taken down"));
  };
  await removeContainer(podman, "ci", name);
  expect(podman.containers.has(name)).toBe(false);
});

test("a container that is still there is an error, and another cluster's is left alone", async () => {
  podman.failing = "rm";
  await expect(removeContainer(podman, "ci", name)).rejects.toThrow("failed");
  await expect(removeContainer(podman, "other", name)).rejects.toThrow("must be free or belong to cluster");
  expect(podman.containers.has(name)).toBe(true);
});
