/** HeadscaleServer and HeadscaleKey with the real Headscale in a container. */
import { execFileSync } from "node:child_process";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderHeadscaleConfig } from "../../components/render/headscale-config.ts";
import { hostAddress } from "../../components/render/address.ts";
import { systemEffects } from "../../provider/effects/effects.ts";
import { ProviderClient, plain } from "../provider/client.ts";

const provider = new ProviderClient();
const clusterName = `realhs-${String(process.pid)}`;
const container = `homespan-${clusterName}-headscale`;
const image = "docker.io/headscale/headscale:0.29.0";
const podman = (...args: string[]): string => execFileSync("podman", args, { encoding: "utf8" }).trim();
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100));
const hostName = `control.homespan-${clusterName}.internal`;
const policy = JSON.stringify({
  tagOwners: { "tag:x-agent": ["homespan@"] },
  grants: [{ src: ["tag:x-agent"], dst: ["tag:x-agent"], ip: ["*"] }],
});

let network: Record<string, unknown>;
let inputs: Record<string, unknown>;
beforeAll(async () => {
  await provider.serve(systemEffects());
  network = (await provider.create("SiteNetwork", { clusterName, site: "wan" })).state;
  const address = hostAddress(String(network["subnet"]), 10);
  const config = renderHeadscaleConfig({
    controlHostName: hostName,
    address,
    domain: `${clusterName}.tailnet.internal`,
  });
  inputs = { clusterName, networkName: network["networkName"], address, hostName, image, config };
});
afterAll(async () => {
  await provider.delete("SiteNetwork", network);
  provider.stop();
});

/** The subject alternative names of the certificate, when it is trusted. */
function trustedNames(address: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: 443, servername: hostName, ca }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? "");
      socket.end();
    });
    socket.on("error", reject);
  });
}

describe("HeadscaleServer and HeadscaleKey", () => {
  it("live, drift, heal and go", async () => {
    const { state } = await provider.create("HeadscaleServer", inputs);
    const ca = String(state["caCertificate"]);
    expect(await trustedNames(String(inputs["address"]), ca)).toContain(`DNS:${hostName}`);
    await settle();
    expect(await provider.read("HeadscaleServer", state)).toEqual(state);

    const policyInputs = { headscale: { kind: "headscale", container }, policy };
    const inForce = await provider.create("HeadscalePolicy", policyInputs);
    expect(await provider.read("HeadscalePolicy", inForce.state)).toEqual(inForce.state);
    execFileSync("podman", ["exec", "-i", container, "headscale", "policy", "set", "--file", "/dev/stdin"], {
      input: "{}",
    });
    const other = (await provider.read("HeadscalePolicy", inForce.state)) ?? {};
    expect(await provider.diff("HeadscalePolicy", other, policyInputs)).toEqual({ found: "update" });
    expect(await provider.update("HeadscalePolicy", other, policyInputs)).toEqual(inForce.state);
    const wrong = { ...policyInputs, policy: '{"tests": [{"src": "x", "accept": ["y:1"]}]}' };
    await expect(provider.update("HeadscalePolicy", inForce.state, wrong)).rejects.toThrow(
      /setting policy: test\(s\) failed/,
    );

    const keyInputs = {
      headscale: { kind: "headscale", container },
      user: "homespan",
      hostName: `${clusterName}-agent-1`,
      tags: ["tag:x-agent"],
      identity: "v1",
    };
    const key = await provider.create("HeadscaleKey", keyInputs);
    expect(String(plain(key.state)["key"]).length).toBeGreaterThan(20);
    expect(podman("inspect", container)).not.toContain(String(plain(key.state)["key"]));
    expect(await provider.read("HeadscaleKey", key.state)).toEqual(key.state);

    podman("stop", "--time", "1", container);
    await settle();
    const stopped = (await provider.read("HeadscaleServer", state)) ?? {};
    expect(await provider.diff("HeadscaleServer", stopped, inputs)).toEqual({ running: "update" });
    expect(await provider.read("HeadscaleKey", key.state)).toEqual(key.state);
    const healed = await provider.update("HeadscaleServer", stopped, inputs);
    expect(healed["caCertificate"]).toBe(ca);
    await settle();
    expect(await provider.read("HeadscaleKey", key.state)).toEqual(key.state);

    await provider.delete("HeadscaleKey", key.state);
    await settle();
    expect(await provider.read("HeadscaleKey", key.state)).toBeUndefined();
    await provider.delete("HeadscaleKey", key.state);
    await provider.delete("HeadscaleServer", healed);
    await provider.delete("HeadscaleServer", healed);
    expect(podman("volume", "ls", "--quiet", "--filter", `label=homespan.cluster=${clusterName}`)).toBe("");
    await provider.delete("HeadscaleKey", key.state);
  });
});
