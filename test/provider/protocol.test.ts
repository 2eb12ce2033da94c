/** The protocol itself: configuration, unknown types, problems with inputs. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UNKNOWN, unwrap } from "../../provider/server/values.ts";
import { Harness, secret } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

describe("protocol", () => {
  it("accepts secrets and previews", async () => {
    const response = await h.configure();
    expect([response.getAcceptsecrets(), response.getSupportspreview()]).toEqual([true, true]);
  });

  it("names an unknown type", async () => {
    await expect(h.check("Nothing", {})).rejects.toThrow(
      '`type` must be a resource of the homespan provider, got "homespan:index:Nothing"',
    );
  });

  it("cannot import", async () => {
    await expect(h.read("StewardVolume", {})).rejects.toThrow("must be in the stack's state");
  });

  it("reports all problems at once, in one grammar, with a suggestion", async () => {
    const { problems } = await h.check("StewardNode", {
      clusterName: "CI",
      nodeNam: "agent-1",
      site: 3,
      publish: [{ hostPort: 70000, containerPort: 1 }],
      stewardImage: secret(5),
    });
    expect(problems).toEqual(
      expect.arrayContaining([
        '`clusterName` must be lower-case letters, digits and inner hyphens, got "CI"',
        "`site` must be a string, got 3",
        "`publish[0].hostPort` must be at most 65535, got 70000",
        '`nodeNam` must be a known property, got an unknown name; did you mean "nodeName"?',
        "`nodeName` must be a string, got nothing",
        "`stewardImage` must be a string, got a secret value that is not shown",
      ]),
    );
  });

  it("fills in defaults and leaves unknown values alone", async () => {
    const { inputs, problems } = await h.check("SiteNetwork", { clusterName: UNKNOWN, site: "home" });
    expect(problems).toEqual([]);
    expect(inputs).toEqual({ clusterName: UNKNOWN, site: "home", denyFromSubnets: [] });
    const { problems: none } = await h.check("Kubeconfig", {
      clusterName: "ci",
      clusterId: "x",
      servers: [{ nodeName: "server-1", transport: UNKNOWN, url: UNKNOWN }],
    });
    expect(none).toEqual([]);
  });

  it("keeps a secret wrapped from the inputs on", async () => {
    const { inputs } = await h.check("SiteNetwork", { clusterName: "ci", site: secret("home") });
    expect(inputs["site"]).toEqual(secret("home"));
    expect(unwrap({ a: [secret({ b: secret(1) })] })).toEqual({ a: [{ b: 1 }] });
  });
});
