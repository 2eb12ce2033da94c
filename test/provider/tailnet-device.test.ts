/** A machine's place in a tailnet: free before it logs in, made anew when it has to log in again, empty in the end. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Device } from "../../provider/effects/headscale.ts";
import { tailnetDevice } from "../../provider/resources/tailnet-device.ts";
import type { Properties } from "../../provider/server/values.ts";

const inputs = {
  tailnet: { kind: "tailscale", tailnet: "-" },
  hostName: "prod-server-1",
  tag: "tag:prod-server",
  identity: "arn:instance/1",
  keySeconds: 3600,
};
const context = { signal: new AbortController().signal, timeoutSeconds: 0 };
const device = (id: string, changes: Partial<Device> = {}): Device => ({
  id,
  hostName: "prod-server-1",
  givenName: "prod-server-1",
  tags: ["tag:prod-server"],
  addresses: ["100.64.0.1"],
  online: true,
  ...changes,
});

let devices: Device[] | undefined;
let now: number;
let generation: number;
let place: ReturnType<typeof tailnetDevice>;
beforeEach(() => {
  devices = [];
  now = Date.parse("2026-11-21T12:00:00Z");
  generation = 0;
  place = tailnetDevice({
    tailnets: {
      devices: () => Promise.resolve(devices),
      removeDevice: (_ref, id) => {
        devices = devices?.filter((it) => it.id !== id);
        return Promise.resolve();
      },
      policy: () => Promise.resolve(undefined),
    },
    clock: { now: () => now, sleep: () => Promise.resolve() },
    random: () => `g${String((generation += 1))}`,
  });
});
const made = async (): Promise<Properties> => (await place.create(inputs, context)).outputs;
const read = (state: Properties): Promise<Properties | undefined> => place.read("id", state, context);

describe("making the place", () => {
  it("removes the devices of the machine that had the name, and nobody else's", async () => {
    const others = [device("2", { tags: ["tag:other"] }), device("3", { hostName: "prod-server-2" })];
    devices = [device("1"), ...others, device("4", { givenName: "prod-server-1-1" })];
    expect(await made()).toEqual({
      ...inputs,
      generation: "g1",
      createdAt: "2026-11-21T12:00:00.000Z",
      found: false,
    });
    expect(devices).toEqual(others);
  });

  it("fails where nobody tells whether the name is free", async () => {
    devices = undefined;
    await expect(made()).rejects.toThrow(
      "the tailnet must tell which devices are called prod-server-1 before the machine logs in, and does not answer; run again",
    );
  });
});

describe("the place", () => {
  it("is kept while the machine has it, and while it may still come", async () => {
    const state = await made();
    expect(await read(state)).toEqual(state);
    now += 3600_000;
    expect(await read(state)).toEqual(state);
    devices = [device("1")];
    now += 3600_000;
    expect(await read(state)).toEqual({ ...state, found: true });
  });

  it("is gone when the device was removed", async () => {
    const state = await made();
    devices = [device("1")];
    const seen = (await read(state)) ?? {};
    devices = [];
    expect(await read(seen)).toBeUndefined();
    expect((await made())["generation"]).toBe("g2");
  });

  it("is gone when nobody came while the key was valid", async () => {
    const state = await made();
    now += 3600_001;
    expect(await read(state)).toBeUndefined();
  });

  it("stays what it was while the tailnet does not answer", async () => {
    const state = await made();
    devices = undefined;
    now += 7200_000;
    expect(await read(state)).toEqual(state);
  });

  it("is another one for another machine, and the same for another life of the key", async () => {
    const state = await made();
    const paths = (news: Properties): string[] =>
      place.diff(state, { ...inputs, ...news }).map(({ path, replace }) => `${path} ${String(replace)}`);
    expect(paths({})).toEqual([]);
    expect(paths({ identity: "arn:instance/2" })).toEqual(["identity true"]);
    expect(paths({ keySeconds: 60 })).toEqual([]);
  });
});

it("leaves nothing behind", async () => {
  const state = await made();
  devices = [device("1")];
  await place.delete("id", state, context);
  expect(devices).toEqual([]);
  await place.delete("id", state, context);
});
