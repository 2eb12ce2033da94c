/** RegistryServer: create, drift, change, failure, delete when gone. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { Harness } from "./harness.ts";

const container = "homespan-ci-registry";
const volume = "homespan-ci-registry-data";
const inputs = {
  ...{ clusterName: "ci", networkName: "homespan-ci-wan", address: "10.89.0.11", hostPort: 5001 },
  ...{ image: "registry:3", config: "version: 0.1\n" },
};

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

const label = { "homespan.cluster": "ci" };

it("is a container on a volume with its configuration, published on loopback alone", async () => {
  const { id, state } = await h.create("RegistryServer", inputs);
  expect(id).toBe(container);
  expect(state).toEqual({
    ...inputs,
    ...{ container, volume, endpoint: "http://10.89.0.11:5000", running: true },
  });
  expect(h.podman.commands).toEqual([
    `volume create --label homespan.cluster=ci ${volume}`,
    `volume import ${volume} -`,
    `create --name ${container} --label homespan.cluster=ci --restart=always ` +
      "--network homespan-ci-wan:ip=10.89.0.11,mac=02:00:0a:59:00:0b --publish 127.0.0.1:5001:5000 --env OTEL_TRACES_EXPORTER=none " +
      `--volume ${volume}:/var/lib/registry registry:3 serve /var/lib/registry/config.yml`,
    `start ${container}`,
  ]);
  expect(h.podman.files.get("homespan-ci-registry-steward")?.get("config.yml")).toBe(inputs.config);
  expect(h.registries.asked).toEqual([5001]);
  expect(await h.diff("RegistryServer", (await h.read("RegistryServer", state)) ?? {}, inputs)).toEqual({});
});

it("found stopped or removed, it is made anew on its volume", async () => {
  const { state } = await h.create("RegistryServer", inputs);
  for (const harm of [
    () => {
      const found = h.podman.containers.get(container);
      if (found !== undefined) found.running = false;
    },
    () => h.podman.containers.delete(container),
  ]) {
    harm();
    const found = (await h.read("RegistryServer", state)) ?? {};
    expect(await h.diff("RegistryServer", found, inputs)).toEqual({ running: "update" });
    h.podman.commands.length = 0;
    expect(await h.update("RegistryServer", found, inputs)).toMatchObject({ running: true });
    expect(h.podman.commands.filter((command) => /^volume (create|rm)/.test(command))).toEqual([]);
    expect(h.podman.containers.get(container)?.running).toBe(true);
  }
});

it("without container and volume it is gone, and its delete is no error, twice", async () => {
  const { state } = await h.create("RegistryServer", inputs);
  h.podman.containers.clear();
  h.podman.volumes.clear();
  expect(await h.read("RegistryServer", state)).toBeUndefined();
  await h.delete("RegistryServer", state);
  await h.delete("RegistryServer", state);
});

it("another port is another container on the same volume, another cluster another registry", async () => {
  const { state } = await h.create("RegistryServer", inputs);
  expect(await h.diff("RegistryServer", state, { ...inputs, hostPort: 5002 })).toEqual({
    hostPort: "update",
  });
  expect(await h.diff("RegistryServer", state, { ...inputs, clusterName: "pr" })).toEqual({
    clusterName: "replace",
  });
});

it("says what the registry said when it does not answer", async () => {
  h.registries.silent = true;
  await expect(h.create("RegistryServer", inputs)).rejects.toThrow(
    "the image registry did not answer on 127.0.0.1:5001 within 30 s: it logged nothing",
  );
});

it("touches nothing of the same name that is not the cluster's", async () => {
  const foreign = { name: container, running: true, labels: {}, pod: "", networks: [] };
  h.podman.containers.set(container, foreign);
  await expect(h.create("RegistryServer", inputs)).rejects.toThrow(
    `container ${container} must be free or belong to cluster "ci"`,
  );
  h.podman.containers.delete(container);
  h.podman.volumes.set(volume, { name: volume, labels: { "homespan.cluster": "pr" } });
  await expect(h.create("RegistryServer", inputs)).rejects.toThrow('got one of cluster "pr"');
  expect(h.podman.commands).toEqual([]);
});

it("its delete takes container and volume, also when a run was killed between the two", async () => {
  const { state } = await h.create("RegistryServer", inputs);
  h.podman.containers.delete(container);
  await h.delete("RegistryServer", state);
  expect(h.podman.volumes.size).toBe(0);
  h.podman.containers.set(container, {
    name: container,
    running: true,
    labels: label,
    pod: "",
    networks: [],
  });
  await h.delete("RegistryServer", state);
  expect(h.podman.containers.size).toBe(0);
});
