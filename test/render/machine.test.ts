import { execa } from "execa";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { machinePaths, pathBelowData, stewardPaths } from "../../components/render/host-paths.ts";
import { renderK3sConfig } from "../../components/render/k3s-config.ts";
import { renderFirewall, type Firewall } from "../../components/render/machine-firewall.ts";
import {
  bakedFiles,
  bootFiles,
  bootRevision,
  renderArtifacts,
  renderNodeConf,
} from "../../components/render/machine-files.ts";
import { k3sArtifact, server, tailscaleArtifact } from "./samples-machine.ts";

describe("the firewall", () => {
  const closed: Firewall = { outside: "closed", sshPorts: [22], ingress: false };

  test.each([
    ["closed", closed],
    ["closed-ingress", { ...closed, ingress: true }],
    ["cluster", { ...closed, outside: "cluster" }],
  ] as const)("golden %s", async (name, firewall) => {
    await expect(renderFirewall(firewall)).toMatchFileSnapshot(`golden/machine/firewall-${name}.nft`);
  });

  /** Lines of a chain that let in, or drop, after the tailnet and what is established. */
  function verdicts(firewall: Firewall, chain: "input" | "forward"): string[] {
    const text = renderFirewall(firewall);
    const body = text.slice(text.indexOf(`chain ${chain} {`)).split("  }\n")[0] ?? "";
    return body
      .split("\n")
      .slice(4)
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));
  }

  test("closed: ssh, tailscale's UDP port and nothing else comes in from outside", () => {
    expect(verdicts(closed, "input")).toEqual([
      "meta l4proto { icmp, ipv6-icmp } accept",
      "udp sport 67 udp dport 68 accept",
      "udp sport 547 udp dport 546 accept",
      "tcp dport { 22 } accept",
      "udp dport 41641 accept",
      "drop",
    ]);
    expect(verdicts(closed, "forward").at(-1)).toBe("drop");
    expect(verdicts({ ...closed, ingress: true }, "input")).toContain("tcp dport { 80, 443 } accept");
  });

  test("cluster: the cluster's ports and NodePorts are dropped, other work goes on", () => {
    const firewall: Firewall = { ...closed, outside: "cluster" };
    expect(verdicts(firewall, "input")).toEqual([
      "meta l4proto { tcp, udp } th dport { 2379, 2380, 6443, 8472, 10250 } drop",
      "ct status dnat meta l4proto { tcp, udp } ct original proto-dst 30000-32767 drop",
    ]);
    expect(verdicts(firewall, "forward")).toEqual([
      'oifname { "cni0", "flannel.1" } drop',
      'oifname "tailscale0" ct status dnat drop',
    ]);
    // Without VXLAN the pods of other nodes are behind the tailnet's own device.
    expect(verdicts({ ...firewall, podRoutes: { podCidr: "10.44.0.0/16" } }, "forward").at(-1)).toBe(
      "ip daddr 10.44.0.0/16 drop",
    );
  });

  test("whatever the choice, loopback, tailnet and pods are let in first, by interface", () => {
    for (const outside of ["closed", "cluster"] as const) {
      const text = renderFirewall({ ...closed, outside });
      for (const chain of ["input", "forward"]) {
        expect(text).toContain(
          `    type filter hook ${chain} priority filter - 1; policy accept;\n` +
            '    iifname { "lo", "tailscale0", "cni0", "flannel.1" } accept\n',
        );
      }
    }
  });

  const openPorts: Firewall["openPorts"] = [
    { protocol: "tcp", fromPort: 30000, toPort: 30010, cidrs: ["203.0.113.0/24", "198.51.100.7/32"] },
    { protocol: "udp", fromPort: 53, toPort: 53, cidrs: ["0.0.0.0/0"] },
  ];

  test("further ports are open by the port that was connected to, to the node and to what its Services lead to", () => {
    const rules = [
      "meta l4proto tcp ct original proto-dst 30000-30010 ip saddr { 203.0.113.0/24, 198.51.100.7/32 } accept",
      "meta l4proto udp ct original proto-dst 53 ip saddr { 0.0.0.0/0 } accept",
    ];
    const open = { ...closed, openPorts };
    expect(verdicts(open, "input").slice(-3)).toEqual([...rules, "drop"]);
    expect(verdicts(open, "forward").slice(0, 2)).toEqual(rules.map((rule) => `ct status dnat ${rule}`));
    expect(renderFirewall({ ...open, outside: "cluster" })).toBe(
      renderFirewall({ ...closed, outside: "cluster" }),
    );
    expect(() => renderFirewall({ ...closed, openPorts: [{ ...openPorts[0]!, toPort: 0 }] })).toThrow(
      "`openPorts` must be ports of 1 to 65535, got 0",
    );
  });

  test("nft reads the rules", async ({ skip }) => {
    for (const outside of ["closed", "cluster"] as const) {
      for (const ingress of [true, false]) {
        const input = renderFirewall({ outside, sshPorts: [22, 2222], ingress, openPorts });
        const read = await execa("nft", ["--check", "--file", "-"], { input, reject: false });
        skip(
          read.exitCode === undefined || /not permitted/.test(read.stderr),
          "nft is missing, or needs root",
        );
        expect(read).toMatchObject({ exitCode: 0, stderr: "" });
      }
    }
  });

  test.each([0, 65536, 1.5, Number.NaN])("refuses %d as a port", (port) => {
    expect(() => renderFirewall({ ...closed, sshPorts: [port] })).toThrow(/`sshPorts` must be ports/);
  });
});

describe("artifacts.conf", () => {
  test("golden", async () => {
    await expect(renderArtifacts([tailscaleArtifact, k3sArtifact])).toMatchFileSnapshot(
      "golden/machine/artifacts.conf",
    );
  });

  test("says per kind of machine where, which sum, and where to", () => {
    expect(renderArtifacts([k3sArtifact]).split("\n")).toContain(
      "K3S_AMD64_URL=https://github.com/k3s-io/k3s/releases/download/v1.36.5%2Bk3s1/k3s https://mirror.example.org/k3s",
    );
  });

  test.each(["file:///etc/passwd", "https://a b", "https://a\nK3S_PATH=/etc/shadow", "-o/etc/shadow", ""])(
    "refuses %j as a URL",
    (url) => {
      const downloads = { amd64: { urls: [url], sha256: "0".repeat(64) } };
      expect(() => renderArtifacts([{ ...k3sArtifact, downloads }])).toThrow(RangeError);
    },
  );

  test.each(["", "0".repeat(63), "A".repeat(64)])("refuses %j as a sum", (sha256) => {
    const downloads = { amd64: { urls: ["https://a"], sha256 } };
    expect(() => renderArtifacts([{ ...k3sArtifact, downloads }])).toThrow(/`sha256` must be/);
  });
});

test("node.conf is one line per key, whatever a value holds", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (nodeName, loginServer) => {
      const node = { nodeName, tailnetHostName: "x", loginServer };
      if (/\p{Cc}/u.test(nodeName + loginServer)) {
        expect(() => renderNodeConf(node)).toThrow(/must be one line/);
      } else {
        expect(renderNodeConf(node)).toBe(
          `NODE=${nodeName}\nTAILNET_HOSTNAME=x\nLOGIN_SERVER=${loginServer}\n`,
        );
      }
    }),
  );
});

test("the boot files are those of the steward, byte for byte: from the same source", () => {
  const sources = [...bakedFiles, ...bootFiles].map(({ source }) => source);
  for (const name of ["wait", "stage", "config", "sequence"]) {
    expect(sources).toContain(`boot/${name}.sh`);
  }
  for (const script of ["receive", "checksums", "remove"]) {
    expect(sources).toContain(`images/steward/scripts/${script}`);
  }
});

test("one word tells two sets of boot files apart, and none of a set that is not whole", () => {
  const sums = Object.fromEntries(bootFiles.map(({ path }) => [path, "a".repeat(64)]));
  const [first = ""] = Object.keys(sums);
  expect(bootRevision(sums)).toMatch(/^[0-9a-f]{64}$/);
  expect(bootRevision({ ...sums, "units/other.service": "b".repeat(64) })).toBe(bootRevision(sums));
  expect(bootRevision({ ...sums, [first]: "b".repeat(64) })).not.toBe(bootRevision(sums));
  for (const missing of ["", "-"]) expect(bootRevision({ ...sums, [first]: missing })).toBe("");
});

test("k3s on a machine reads what the join layer writes below the same paths as everywhere", () => {
  expect(pathBelowData(machinePaths, "/etc/rancher/k3s/config.yaml")).toBe(
    pathBelowData(stewardPaths, "/etc/rancher/k3s/config.yaml"),
  );
  const config = renderK3sConfig({ ...server, paths: machinePaths });
  expect(config).toContain("token-file: /data/secrets/server-token\n");
  expect(config).toContain("resolv-conf: /data/etc/resolv.conf.upstream\n");
});
