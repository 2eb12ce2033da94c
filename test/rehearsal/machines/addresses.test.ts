import { expect, test } from "vitest";
import {
  freeRanges,
  isInside,
  machineHosts,
  nextAddress,
  publicLabel,
} from "../../../rehearsal/machines/addresses.ts";
import type { NetworkFound } from "../../../provider/effects/podman.ts";

const network = (subnet: string, labels: Record<string, string> = {}): NetworkFound => ({
  ...{ name: subnet, subnet, gateway: "", labels },
});

test("a cloud's ranges overlap no network, no route and no other world's public addresses", () => {
  const routes = JSON.stringify([
    { dst: "default", gateway: "192.0.2.1" },
    { dst: "172.26.2.9", dev: "eth1" },
    { type: "local", dst: "127.0.0.0/8" },
    { dst: "172.26.4.0/23" },
  ]);
  const networks = [
    network("172.26.1.0/24"),
    network("10.89.0.0/24", { [publicLabel]: "198.18.3.0/24" }),
    network("fd00::/64"),
  ];
  const [first] = freeRanges(networks, routes);
  expect(first).toEqual({
    subnet: "172.26.6.0/24",
    gateway: "172.26.6.1",
    servicesRange: "172.26.6.0/28",
    publicRange: "198.18.6.0/24",
  });
  expect(freeRanges([network("172.16.0.0/12")], "")).toEqual([]);
});

test("an address that was given back rests until all others had their turn", () => {
  const subnet = "172.26.6.0/24";
  const hosts = { first: 16, last: 18 };
  const take = (last: number, ...taken: string[]): number =>
    nextAddress(subnet, hosts, last, new Set(taken)).host;
  expect(nextAddress(subnet, machineHosts, 0, new Set())).toEqual({ address: "172.26.6.16", host: 16 });
  expect(take(16)).toBe(17);
  expect(take(18)).toBe(16);
  expect(take(16, "172.26.6.17")).toBe(18);
  expect(() => take(16, "172.26.6.16", "172.26.6.17", "172.26.6.18")).toThrow(
    "172.26.6.0/24 must have a free address, and all of 3 are taken",
  );
});

test("an address is inside of its network alone", () => {
  expect(isInside("198.18.6.0/24", "198.18.6.200")).toBe(true);
  expect(isInside("198.18.6.0/24", "198.18.7.1")).toBe(false);
  expect(isInside("198.18.6.0/24", "everything")).toBe(false);
});
