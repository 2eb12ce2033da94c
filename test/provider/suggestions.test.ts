/** Problems with inputs: the nearest name that is known where the wrong one stands. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Harness } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

describe("a property that nobody knows", () => {
  it.each([
    [
      "StewardNode",
      { publish: [{ hostPrt: 1, containerPort: 1 }] },
      '`publish[0].hostPrt` must be a known property, got an unknown name; did you mean "hostPort"?',
    ],
    [
      "Membership",
      { tailnet: { kind: "headscale", containr: "x" } },
      '`tailnet.containr` must be a known property, got an unknown name; did you mean "container"?',
    ],
    [
      "Membership",
      { nodeNam: "x" },
      '`nodeNam` must be a known property, got an unknown name; did you mean "nodeName"?',
    ],
    [
      "NodeConfig",
      { transport: { kind: "podman", container: "c", contaner: "c" } },
      '`transport.contaner` must be a known property, got an unknown name; did you mean "container"?',
    ],
    [
      "NodeConfig",
      { joinFile: { path: "", fresh: "", initialised: "", whatever: "" } },
      "`joinFile.whatever` must be a known property, got an unknown name",
    ],
  ])("of %s is told with the nearest one that is known there", async (type, news, problem) => {
    expect((await h.check(type, news)).problems).toContain(problem);
  });
});
