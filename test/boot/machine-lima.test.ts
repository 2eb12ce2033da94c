/** What Lima does at every start of a virtual machine, done to a machine of files: user-data runs once. */
import { describe, expect, test } from "vitest";
import { limaProvision, limaSources } from "../../components/render/lima-provision.ts";
import { renderUserData } from "../../components/render/user-data.ts";
import { Machine, type Outcome, sourceText, userDataTexts } from "./machine.ts";

const entries = limaProvision({
  sources: Object.fromEntries(limaSources.map((source) => [source, sourceText(source)])),
  userData: renderUserData({
    sources: userDataTexts(),
    dataDisk: "wanted",
    firewall: { outside: "closed", sshPorts: [22], ingress: false },
    artifacts: [],
  }),
  authorizedKey: "ssh-rsa AAAA homespan-home",
});

/** Files first, then scripts (pkg/cidata/cidata.TEMPLATE.d/boot.sh of Lima). */
async function start(machine: Machine): Promise<Outcome> {
  for (const entry of entries) {
    if (entry.mode === "data") {
      machine.put(entry.path.slice(1), entry.content, Number.parseInt(entry.permissions, 8));
    }
  }
  const script = entries.find((entry) => entry.mode === "system");
  machine.put("provision", script?.mode === "system" ? script.script : "", 0o755);
  return machine.sh(`${machine.root}/provision`);
}

describe("a virtual machine of Lima's", () => {
  test("becomes one that takes commands at its first start, and is left alone at later ones", async () => {
    const machine = new Machine("bare");
    expect(await start(machine)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(machine.read("etc/homespan/machine.conf")).toBe("DATA_DISK=wanted\n");
    expect(machine.read("fake/log")).toMatch(
      /systemctl try-reload-or-restart ssh\.service\n[^]*homespan-firewall/,
    );
    const lines = machine.read("fake/log").length;
    machine.put("etc/homespan/firewall.nft", "delivered\n");
    expect(await start(machine)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(machine.read("etc/homespan/firewall.nft")).toBe("delivered\n");
    expect(machine.read("fake/log").length).toBe(lines);
  });

  test("that was cut off in its first start does it again", async () => {
    const machine = new Machine("bare").put("usr/lib/homespan/boot-files", "half");
    // A directory in the place of a file: user-data cannot end.
    machine.put("etc/homespan/machine.conf.new/in-the-way", "");
    expect((await start(machine)).exitCode).not.toBe(0);
    expect(machine.has("var/lib/homespan/lima/done")).toBe(false);
    const again = new Machine("bare");
    expect((await start(again)).exitCode).toBe(0);
    expect(again.has("var/lib/homespan/lima/done")).toBe(true);
  });
});
