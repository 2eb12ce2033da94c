import { expect, it } from "vitest";
import { ethernetAddress, fixedAddress } from "../../provider/logic/fixed-address.ts";

it("a container's Ethernet address follows from its IPv4 address, and is nobody's but a local one", () => {
  expect(fixedAddress("homespan-ci-wan", "10.90.0.11")).toBe(
    "homespan-ci-wan:ip=10.90.0.11,mac=02:00:0a:5a:00:0b",
  );
  const [first = "", second = ""] = ["172.26.1.16", "172.26.1.17"].map(ethernetAddress);
  expect(first).not.toBe(second);
  for (const address of [first, second]) expect(address).toMatch(/^02(:[0-9a-f]{2}){5}$/);
});
