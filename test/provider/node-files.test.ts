/** Reading a node's files: from its volume where this machine has it, else by a program in its steward. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PodmanNodeAccess } from "../../provider/effects/podman-node-access.ts";
import { FakePodman } from "./fake-podman.ts";

const steward = "homespan-ci-agent-1-steward";
const transport = { kind: "podman", container: steward } as const;
const ready = '{"node":"agent-1","stages":[{"name":"ready","state":"done","attempts":1}]}';
const sum = (text: string): string => createHash("sha256").update(text).digest("hex");

let podman: FakePodman;
let nodes: PodmanNodeAccess;
let directory: string;

beforeEach(() => {
  podman = new FakePodman();
  nodes = new PodmanNodeAccess(podman);
  directory = mkdtempSync(join(tmpdir(), "homespan-volume-"));
  mkdirSync(join(directory, "steward"));
  writeFileSync(join(directory, "join.conf"), "ROLE=agent\n");
  writeFileSync(join(directory, "steward/stage.json"), ready);
  podman.containers.set(steward, { name: steward, running: true, labels: {}, pod: "", networks: [] });
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const volumeAt = (mountpoint: string): void => {
  const name = "homespan-ci-agent-1-data";
  podman.volumes.set(name, { name, labels: {}, mountpoint });
};

describe("a volume that this machine has", () => {
  beforeEach(() => {
    volumeAt(directory);
  });

  it("is read without a program in a container", async () => {
    expect(await nodes.checksums(transport, ["join.conf", "missing"])).toEqual({
      "join.conf": sum("ROLE=agent\n"),
      missing: "",
    });
    expect(await nodes.show(transport, "join.conf")).toBe("ROLE=agent\n");
    expect(await nodes.show(transport, "missing")).toBeUndefined();
    expect((await nodes.stages(transport))?.map(({ name, state }) => [name, state])).toEqual([
      ["ready", "done"],
    ]);
    expect(podman.execs).toEqual([]);
  });

  it("tells no stages of a steward that has ended", async () => {
    podman.containers.get(steward)!.running = false;
    expect(await nodes.stages(transport)).toBeUndefined();
  });

  it("is asked for again when it was made anew", async () => {
    await nodes.show(transport, "join.conf");
    rmSync(directory, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), "homespan-volume-"));
    writeFileSync(join(directory, "join.conf"), "ROLE=server\n");
    volumeAt(directory);
    expect(await nodes.show(transport, "join.conf")).toBe("ROLE=server\n");
  });
});

describe("a volume of another machine", () => {
  it("is read by the steward", async () => {
    volumeAt("/nowhere/volumes/data");
    podman.files.set(steward, new Map([["join.conf", "there"]]));
    expect(await nodes.checksums(transport, ["join.conf"])).toEqual({ "join.conf": sum("there") });
    expect(await nodes.show(transport, "join.conf")).toBe("there");
    expect(podman.execs).toHaveLength(2);
  });
});
