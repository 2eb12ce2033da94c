import fc from "fast-check";
import { expect, test } from "vitest";
import { hostAddress } from "../../components/render/address.ts";
import { pathBelowData, stewardPaths } from "../../components/render/host-paths.ts";
import {
  cloudKeyName,
  cloudNames,
  clusterObjectName,
  controlHostName,
  fullyQualifiedName,
  nodeNames,
  nodeTag,
  operatorHostName,
  operatorTag,
  podName,
  stewardContainer,
  tailnetDomain,
  tailnetHostName,
} from "../../components/render/names.ts";
import { nameSchema } from "../../provider/schema/common.ts";

const clusterName = fc
  .stringMatching(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/)
  .filter((it) => nameSchema.safeParse(it).success);
const nodeName = fc.constantFrom(...nodeNames("server", 3), ...nodeNames("agent", 100));

test("the names of the contract", () => {
  expect(clusterObjectName("ci", "headscale")).toBe("homespan-ci-headscale");
  expect(podName("ci", "agent-1")).toBe("homespan-ci-agent-1");
  expect(stewardContainer("ci", "agent-1")).toBe("homespan-ci-agent-1-steward");
  expect(tailnetHostName("ci", "agent-1")).toBe("ci-agent-1");
  expect(nodeTag("ci", "server")).toBe("tag:ci-server");
  expect(controlHostName("ci")).toBe("control.homespan-ci.internal");
});

test("the names of a node in a cloud, and of the machine that runs Pulumi", () => {
  expect(cloudNames("prod", "server-1")).toEqual({
    instance: "prod-server-1",
    address: "prod-server-1-address",
    disk: "prod-server-1-data",
  });
  expect(cloudKeyName("prod")).toBe("prod-key");
  expect(operatorHostName("prod")).toBe("prod-operator");
  expect(operatorTag("prod")).toBe("tag:prod-operator");
});

test("every node of every cluster has a valid host name", () => {
  fc.assert(
    fc.property(clusterName, nodeName, (cluster, node) => {
      const name = fullyQualifiedName(tailnetHostName(cluster, node), tailnetDomain(cluster));
      expect(name.length).toBeLessThanOrEqual(253);
      for (const label of name.split(".")) {
        expect(label).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
      }
    }),
  );
});

test("the n-th address is in its subnet", () => {
  expect(hostAddress("10.89.3.0/24", 10)).toBe("10.89.3.10");
  expect(hostAddress("192.168.200.0/22", 300)).toBe("192.168.201.44");
  expect(hostAddress("10.0.0.77/24", 1)).toBe("10.0.0.1");
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 8, max: 30 }), (address, prefix) => {
      expect(hostAddress(`${address}/${String(prefix)}`, 1)).toMatch(/^(\d{1,3}\.){3}\d{1,3}$/);
    }),
  );
});

test.each([
  ["fd00::/64", 1, '`subnet` must be an IPv4 subnet such as 10.89.0.0/24, got "fd00::/64"'],
  ["10.0.0.0/31", 1, '`subnet` must be an IPv4 subnet such as 10.89.0.0/24, got "10.0.0.0/31"'],
  ["10.0.0.0/29", 7, "`host` must be 1 to 6 in 10.0.0.0/29, got 7"],
])("no address for %s, %s", (subnet, host, message) => {
  expect(() => hostAddress(subnet, host)).toThrow(message);
});

test("a path outside the node's data is refused", () => {
  expect(pathBelowData(stewardPaths, "/var/lib/rancher/k3s/x")).toBe("rancher/k3s/x");
  expect(() => pathBelowData(stewardPaths, "/etc/passwd")).toThrow(
    "must be below /etc/rancher or /var/lib/rancher",
  );
});
