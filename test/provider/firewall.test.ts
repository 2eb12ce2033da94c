/** Where the rules between sites are made: on the machine, or without root where the user's networks are. */
import { expect, test } from "vitest";
import { nftables } from "../../provider/effects/firewall.ts";
import type { Run } from "../../provider/effects/process.ts";

function recording(containers = ""): { readonly run: Run; readonly commands: string[] } {
  const commands: string[] = [];
  const run: Run = (program, args, options) => {
    const input = typeof options?.input === "string" ? ` <<< ${JSON.stringify(options.input)}` : "";
    commands.push(`${[program, ...args].join(" ")}${input}`);
    if (args[0] === "ps") return Promise.resolve({ code: 0, stdout: containers, stderr: "" });
    return Promise.resolve({ code: 1, stdout: "", stderr: "Error: No such file or directory" });
  };
  return { run, commands };
}

test("a user's rules are made in the network namespace of the user's containers", async () => {
  const { run, commands } = recording("2f259bab93aa\n");
  const firewall = nftables(run, "users");
  expect(await firewall.list("homespan_ci_home")).toBeUndefined();
  await expect(firewall.remove("homespan_ci_home")).rejects.toThrow(/nft failed: No such file/);
  expect(commands.filter((command) => command !== "podman ps --quiet")).toEqual([
    "podman unshare --rootless-netns nft --numeric list table inet homespan_ci_home",
    String.raw`podman unshare --rootless-netns nft -f - <<< "add table inet homespan_ci_home\ndelete table inet homespan_ci_home\n"`,
  ]);
});

test("without a container that namespace is not made for a look: its rules went with it", async () => {
  const { run, commands } = recording();
  const firewall = nftables(run, "users");
  expect(await firewall.list("homespan_ci_home")).toBeUndefined();
  await firewall.remove("homespan_ci_home");
  expect(new Set(commands)).toEqual(new Set(["podman ps --quiet"]));
});

test("root's are the machine's own", async () => {
  const { run, commands } = recording();
  expect(await nftables(run).list("homespan_ci_home")).toBeUndefined();
  expect(commands).toEqual(["nft --numeric list table inet homespan_ci_home"]);
});
