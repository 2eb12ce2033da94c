import { describe, expect, test } from "vitest";
import type { Deployment, PendingResource } from "../../cli/pending.ts";
import { settlePending, UnansweredCreates } from "../../cli/pending.ts";

const urn = (type: string, name: string): string => `urn:pulumi:s::homespan::${type}::${name}`;
const component = {
  urn: urn("homespan:lightsail:LightsailServer", "server-1"),
  type: "homespan:lightsail:LightsailServer",
};
const provider = { urn: urn("pulumi:providers:aws", "aws"), type: "pulumi:providers:aws", id: "5f" };
const keyPair = {
  urn: urn("aws:lightsail/keyPair:KeyPair", "key-pair"),
  type: "aws:lightsail/keyPair:KeyPair",
  id: "ci",
};
const resource = (kind: string, name: string, inputs: object): PendingResource => ({
  urn: urn(`aws:lightsail/${kind}`, name),
  type: `aws:lightsail/${kind}`,
  parent: component.urn,
  provider: `${provider.urn}::5f`,
  dependencies: [keyPair.urn],
  inputs: { ...inputs },
});
const instance = resource("instance:Instance", "server-1-instance", {
  __defaults: [],
  name: "ci-server-1",
  userData: "#!/bin/sh",
  tags: { __defaults: [], "homespan.node": "server-1" },
});
const stack = (...pending: { type: string; resource: PendingResource }[]): Deployment => ({
  resources: [component, provider, keyPair],
  pending_operations: pending,
});

describe("operations of a killed run", () => {
  test("an instance that was being made is taken for made, with all its inputs, until the next refresh", () => {
    const { deployment, adopted, forgotten } = settlePending(stack({ type: "creating", resource: instance }));
    expect(adopted).toEqual([instance.urn]);
    expect(forgotten).toEqual([]);
    expect(deployment).not.toHaveProperty("pending_operations");
    expect(deployment.resources?.at(-1)).toEqual({
      ...instance,
      custom: true,
      id: "ci-server-1",
      // The API does not return user-data: without it here the refreshed instance would differ, and be replaced.
      outputs: {
        name: "ci-server-1",
        userData: "#!/bin/sh",
        tags: { "homespan.node": "server-1" },
        id: "ci-server-1",
      },
    });
  });

  test.each([
    ["staticIp:StaticIp", { name: "ci-server-1" }, "ci-server-1"],
    ["keyPair:KeyPair", { name: "ci" }, "ci"],
    ["disk:Disk", { name: "ci-server-1-data" }, "ci-server-1-data"],
    ["staticIpAttachment:StaticIpAttachment", { staticIpName: "a", instanceName: "b" }, "a"],
    ["disk_attachment:Disk_attachment", { diskName: "a", instanceName: "b", diskPath: "/dev/xvdf" }, "a,b"],
  ])("%s has the id its inputs say", (kind, inputs, id) => {
    const made = resource(kind, "it", inputs);
    expect(settlePending(stack({ type: "creating", resource: made })).deployment.resources?.at(-1)?.id).toBe(
      id,
    );
  });

  test("what can be made twice, and every other operation, is forgotten", () => {
    const ports = resource("instancePublicPorts:InstancePublicPorts", "ports", {
      instanceName: "ci-server-1",
    });
    const own = {
      ...component,
      urn: urn("homespan:index:NodeConfig", "n"),
      type: "homespan:index:NodeConfig",
    };
    const { deployment, adopted, forgotten } = settlePending(
      stack(
        { type: "creating", resource: ports },
        { type: "creating", resource: own },
        { type: "deleting", resource: { ...instance, id: "ci-server-1" } },
      ),
    );
    expect(adopted).toEqual([]);
    expect(forgotten).toEqual([`creating ${ports.urn}`, `creating ${own.urn}`, `deleting ${instance.urn}`]);
    expect(deployment.resources).toEqual(stack().resources);
  });

  test("takes the place of the one it replaces, so that what depends on it comes after it", () => {
    const former = { ...instance, id: "ci-server-1", pendingReplacement: true };
    const boot = { ...component, urn: urn("homespan:index:MachineBoot", "b"), dependencies: [instance.urn] };
    const before = [component, provider, keyPair, former, boot];
    const { deployment } = settlePending({
      resources: before,
      pending_operations: [{ type: "creating", resource: instance }],
    });
    expect(deployment.resources?.map((it) => it.urn)).toEqual(before.map((it) => it.urn));
    expect(deployment.resources?.[3]).not.toHaveProperty("pendingReplacement");
  });

  test("leaves one alone that the state has", () => {
    const known = { ...instance, id: "ci-server-1" };
    const { deployment, adopted } = settlePending({
      resources: [component, provider, keyPair, known],
      pending_operations: [{ type: "creating", resource: instance }],
    });
    expect(adopted).toEqual([]);
    expect(deployment.resources?.[3]).toEqual(known);
  });

  test("is forgotten where the state does not hold what it depends on", () => {
    const { adopted } = settlePending({
      resources: [component, provider],
      pending_operations: [{ type: "creating", resource: instance }],
    });
    expect(adopted).toEqual([]);
  });
});

describe("a tailnet's policy that was being set", () => {
  const acl: PendingResource = {
    urn: urn("tailscale:index/acl:Acl", "tailnet-policy"),
    type: "tailscale:index/acl:Acl",
    inputs: { __defaults: [], acl: "// Written by Homespan.\n{}\n", resetAclOnDestroy: true },
  };
  const pending = stack({ type: "creating", resource: acl });

  test("is ours when the tailnet has exactly that one", () => {
    const { deployment, adopted } = settlePending(pending, { policy: "// Written by Homespan.\n{}\n" });
    expect(adopted).toEqual([acl.urn]);
    expect(deployment.resources?.at(-1)).toMatchObject({
      id: "acl",
      outputs: { acl: "// Written by Homespan.\n{}\n", resetAclOnDestroy: true },
    });
  });

  test.each([["// Somebody's.\n{}\n"], [undefined]])("is not when it has %s", (policy) => {
    const { deployment, adopted, forgotten } = settlePending(pending, { policy });
    expect(adopted).toEqual([]);
    expect(forgotten).toEqual([`creating ${acl.urn}`]);
    expect(deployment.resources).toEqual(stack().resources);
  });
});

describe("creations that failed", () => {
  const ended = (message: string, inputs: object = instance.inputs ?? {}): readonly PendingResource[] => {
    const creates = new UnansweredCreates();
    const { urn: of, type, parent, provider: by } = instance;
    const made = { custom: true, parent: parent ?? "", provider: by ?? "", inputs: { ...inputs } };
    const metadata = { op: "create", urn: of, type, new: made };
    creates.handle({ resourcePreEvent: { metadata } });
    creates.handle({ diagnosticEvent: { urn: of, message, severity: "error" } });
    creates.handle({ resOpFailedEvent: { metadata } });
    return creates.list();
  };

  test("without an answer are looked at again, as the cloud may have gone on", () => {
    const { dependencies: _, ...known } = instance;
    const left = ended(
      "CreateInstance Lightsail Instance (ci-server-1): error waiting for request operation",
    );
    expect(left).toEqual([known]);
    const pending = left.map((it) => ({ type: "creating", resource: it }));
    expect(settlePending(stack(...pending)).adopted).toEqual([instance.urn]);
  });

  test("because the name is somebody's, or there is no capacity, are not", () => {
    expect(ended("InvalidInputException: Some names are already in use: ci-server-1")).toEqual([]);
    expect(ended("InsufficientInstanceCapacity: We currently do not have sufficient capacity")).toEqual([]);
  });

  test("are not where the inputs are not told whole", () => {
    expect(ended("timeout", { name: "ci-server-1", userData: "[secret]" })).toEqual([]);
  });
});
