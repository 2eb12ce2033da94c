/** What Lima lays down for a virtual machine, for a container. */
import { expect, test } from "vitest";
import { guestUserData } from "../../../rehearsal/lima/guest-seed.ts";

const mount = `        mount -o ro,mode=0700,dmode=0700,overriderockperm,exec,uid=0 "\${LIMA_CIDATA_DEV}" "\${LIMA_CIDATA_MNT}"`;
const userData = [
  "#cloud-config",
  "write_files:",
  " - content: |",
  "      set -eux",
  mount,
  "      exec boot.sh",
  "",
].join("\n");

test("its folder is mounted in the place of a CD-ROM, and all else stays", () => {
  expect(guestUserData(userData)).toBe(
    userData.replace(mount, `        mount --bind /var/lib/machine/cidata "\${LIMA_CIDATA_MNT}"`),
  );
});

test("another text than Lima 2.2's is refused", () => {
  expect(() => guestUserData("#cloud-config\n")).toThrow(/must mount its CD-ROM in one line, got 0 of them/);
  expect(() => guestUserData(`${mount}\n${mount}\n`)).toThrow(/got 2 of them/);
});
