/** Who reaches what: from the internet, from the cloud's private network, from the tailnet. */
import { expect, test } from "vitest";
import { nodesOf } from "../support/kube.ts";
import { connection } from "../support/netns.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { Guest } from "../support/rehearsal-guest.ts";
import { knock, scanTcp, sendDatagrams } from "../support/rehearsal-ports.ts";
import { timed } from "../support/report.ts";

const tailscaleUdp = 41641;
const clustersUdp = [6443, 8472, 51_820];

export function rehearsalExposure(stack: RehearsedStack): void {
  test("of all TCP ports of a public address SSH alone answers, and to its own network alone", async () => {
    const address = await stack.publicAddress("server-2");
    // The way is open, and a closed port of it is silent, before 65,535 of them are tried.
    expect(await knock(address, 22, 5)).toBe("open");
    const scan = await timed("all 65,535 TCP ports of a public address", () => scanTcp(address, 1.2));
    expect(scan).toEqual({ open: [22], refused: [] });
    const { network } = await stack.readWorld();
    expect(await knock(address, 22, 2, network.gateway)).toBe("silent");
  });

  test("of UDP ports of a public address Tailscale's alone lets packets in", async () => {
    const address = await stack.publicAddress("server-2");
    const ports = [tailscaleUdp, ...clustersUdp];
    const seen = await sendDatagrams(stack, "server-2", { address, ports });
    expect(seen.letIn[tailscaleUdp]).toBeGreaterThanOrEqual(10);
    for (const port of clustersUdp) expect([seen.arrived[port], seen.letIn[port]]).toEqual([0, 0]);
  });

  test("in the private network, which the cloud does not filter, the machine itself does", async () => {
    const address = await stack.privateAddress("server-2");
    const from = await stack.networkPid("server-1");
    expect(await connection(from, address, 22)).toBe("open");
    const closed = [6443, 2379, 2380, 10_250];
    const found = await Promise.all(closed.map((port) => connection(from, address, port)));
    expect(found).toEqual(closed.map(() => "silent"));
    const ports = [tailscaleUdp, ...clustersUdp];
    const seen = await sendDatagrams(stack, "server-2", { address, ports, from });
    expect(seen.letIn[tailscaleUdp]).toBeGreaterThanOrEqual(10);
    for (const port of clustersUdp) {
      expect(seen.arrived[port]).toBeGreaterThanOrEqual(10);
      expect(seen.letIn[port]).toBe(0);
    }
  });

  test("over the tailnet the API answers the operator on every server, and no stranger", async () => {
    for (const server of ["server-1", "server-2", "server-3"]) {
      expect((await stack.kubectl(["get", "--raw", "/readyz"], { server })).trim()).toBe("ok");
    }
    const server = (await nodesOf(stack)).find(({ metadata }) => metadata.name === "server-2");
    const address = server?.status.addresses.find(({ type }) => type === "InternalIP")?.address ?? "";
    const guests: Guest[] = [];
    try {
      // The same client with another tag, so that it is the tag that decides.
      const operator = await Guest.join(stack, "second-operator", `tag:${stack.name}-operator`);
      guests.push(operator);
      const stranger = await Guest.join(stack, "stranger", "tag:stranger");
      guests.push(stranger);
      expect(await operator.reaches(address, 6443)).toBe(true);
      expect(await operator.reaches(address, 2379)).toBe(false);
      expect(await operator.peers()).toContain(stack.instance("server-2"));
      for (const port of [6443, 22, 2379, 10_250]) expect(await stranger.reaches(address, port)).toBe(false);
      expect(await stranger.peers()).toEqual([]);
    } finally {
      for (const guest of guests) await guest.leave();
    }
  });
}
