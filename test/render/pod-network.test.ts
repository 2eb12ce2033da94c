import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderHeadscalePolicy } from "../../components/render/headscale-policy.ts";
import { renderJoin } from "../../components/render/join.ts";
import type { JoinConf } from "../../components/render/join-conf.ts";
import { defaultPodCidr, renderFlannel } from "../../components/render/pod-network.ts";
import { renderTailscalePolicy } from "../../components/render/tailscale-policy.ts";
import { k3sPaths } from "../../components/upstream/k3s.ts";
import { agent } from "./samples.ts";

const podRoutes = { podCidr: "10.42.0.0/16" };
const [server, worker] = ["tag:ci-server", "tag:ci-agent"];

interface Flannel {
  readonly Network: string;
  readonly Backend: {
    readonly Type: string;
    readonly PreStartupCommand: string;
    readonly PostStartupCommand: string;
  };
}
const flannel = JSON.parse(renderFlannel(podRoutes)) as Flannel;

describe("flannel.json", () => {
  test("golden", async () => {
    await expect(renderFlannel(podRoutes)).toMatchFileSnapshot("golden/flannel.json");
    expect(flannel).toMatchObject({ Network: "10.42.0.0/16", Backend: { Type: "extension" } });
    expect(defaultPodCidr).toBe("10.42.0.0/16");
  });

  test("its command names the pods' network in the file, and leaves the file alone where it does already", () => {
    const folder = mkdtempSync(join(tmpdir(), "flannel-"));
    try {
      const file = join(folder, "pod-subnet");
      const command = flannel.Backend.PostStartupCommand.replaceAll(k3sPaths.podSubnet, file);
      const run = (SUBNET: string): number => {
        execFileSync("dash", ["-c", command], { env: { PATH: process.env["PATH"], SUBNET } });
        return statSync(file).ino;
      };
      const first = run("10.42.3.0/24");
      expect(readFileSync(file, "utf8")).toBe("10.42.3.0/24\n");
      expect(run("10.42.3.0/24")).toBe(first);
      run("10.42.7.0/24");
      expect(readFileSync(file, "utf8")).toBe("10.42.7.0/24\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a machine without flannel.1, or without ip, starts all the same", () => {
    execFileSync("/bin/sh", ["-c", flannel.Backend.PreStartupCommand], { env: { PATH: "/nowhere" } });
  });
});

test("a join hands it over, names it to k3s and tells the boot sequence; with VXLAN it does none of that", () => {
  const registration = { labels: {}, taints: [] };
  const conf: JoinConf = { role: "agent", mode: "join", servers: ["s"], tlsSans: [] };
  const join = (k3s: typeof agent, more: Partial<JoinConf>): ReturnType<typeof renderJoin> =>
    renderJoin({ k3s, registration, fresh: { ...conf, ...more }, initialised: { ...conf, ...more } });
  const routes = join({ ...agent, podRoutes }, { podNetwork: "routes" });
  expect(routes.files["etc/rancher/k3s/flannel.json"]).toBe(renderFlannel(podRoutes));
  expect(routes.files["etc/rancher/k3s/config.yaml"]).toContain(
    "flannel-conf: /etc/rancher/k3s/flannel.json\n",
  );
  expect(routes.joinFile.fresh).toContain("\nPOD_NETWORK=routes\n");
  expect(routes.joinFile.initialised).toContain("\nPOD_NETWORK=routes\n");
  const vxlan = join(agent, { podNetwork: "vxlan" });
  expect(JSON.stringify(vxlan)).not.toMatch(/flannel-conf|flannel\.json|POD_NETWORK/);
});

interface Policy {
  readonly autoApprovers?: { readonly routes: Readonly<Record<string, string[]>> };
  readonly grants: readonly { readonly src: string[]; readonly dst: string[]; readonly ip: string[] }[];
}

/** The policies' comments are whole lines, and a comma may follow the last member. */
const read = (hujson: string): Policy =>
  JSON.parse(hujson.replace(/^\s*\/\/.*$/gm, "").replace(/,(\s*[\]}])/g, "$1")) as Policy;

const facts = { clusterName: "ci", metricsServer: false };
const headscaleText = (tests: "resolvable" | "populated" = "resolvable"): string =>
  renderHeadscalePolicy({ ...facts, podRoutes, user: "homespan", tests });
const tailscaleText = renderTailscalePolicy({
  ...{ ...facts, podRoutes },
  ...{ tagOwners: ["autogroup:admin"], admins: ["alice@example.com"] },
});

describe("the policy", () => {
  test("goldens", async () => {
    await expect(headscaleText("populated")).toMatchFileSnapshot("golden/policy-routes.hujson");
    await expect(tailscaleText).toMatchFileSnapshot("golden/tailscale-policy-routes.hujson");
  });

  test.each([
    [
      "Headscale",
      headscaleText(),
      renderHeadscalePolicy({ ...facts, user: "homespan", tests: "resolvable" }),
    ],
    [
      "Tailscale",
      tailscaleText,
      renderTailscalePolicy({ ...facts, tagOwners: ["autogroup:admin"], admins: ["alice@example.com"] }),
    ],
  ])(
    "of %s opens the pods' network to nodes and pods, in place of VXLAN, and nothing else",
    (_, text, vxlan) => {
      const open = (policy: string): string[] =>
        read(policy).grants.flatMap(({ src, dst, ip }) =>
          src.flatMap((from) => dst.flatMap((to) => ip.map((it) => `${from} ${to} ${it}`))),
        );
      const [now, before] = [new Set(open(text)), new Set(open(vxlan))];
      expect([...before].filter((it) => !now.has(it)).every((it) => it.endsWith(" udp:8472"))).toBe(true);
      expect([...now].filter((it) => !before.has(it)).sort()).toEqual(
        [server, worker, "10.42.0.0/16"].map((from) => `${from} 10.42.0.0/16 *`).sort(),
      );
      expect(read(text).autoApprovers).toEqual({ routes: { "10.42.0.0/16": [server, worker] } });
      expect(read(vxlan).autoApprovers).toBeUndefined();
    },
  );
});
