/** What goes into the image of virtual machines, and how it is built: by a script that is not run here. */
import { execa } from "execa";
import { join } from "node:path";
import { expect, test } from "vitest";
import { guestPrograms } from "../../../rehearsal/libvirt/guest-image.ts";

const row = (tool: string, path: string | null = `/tools/${tool}`) => ({ tool, path });
const beside = ["containerd-shim-runc-v2", "runc", "cni"];

test("a k3s that was built has beside it what it starts, one that was released has that in itself", () => {
  const rows = [row("ignition"), row("k3s"), ...beside.map((tool) => row(tool))];
  expect(guestPrograms(rows)).toEqual({
    ignition: "/tools/ignition",
    k3s: ["/tools/containerd-shim-runc-v2", "/tools/runc", "/tools/cni"],
  });
  expect(guestPrograms([row("ignition"), ...beside.map((tool) => row(tool, null))]).k3s).toEqual([]);
  expect(guestPrograms([row("ignition")]).k3s).toEqual([]);
});

test("without Ignition it says how to come by it", () => {
  expect(() => guestPrograms([row("ignition", null)])).toThrow(
    "ignition is not installed; run: ./homespan toolchain --prepare --group guest",
  );
});

test("shellcheck finds nothing in what builds it and what starts libvirtd", async ({ skip }) => {
  const checkout = join(import.meta.dirname, "../../..");
  const files = ["images/vm/build", "rehearsal/libvirt/private-libvirtd"].map((path) => join(checkout, path));
  const checked = await execa("shellcheck", files, { reject: false });
  skip(checked.code === "ENOENT", "shellcheck is missing");
  expect(checked.stdout).toBe("");
});
