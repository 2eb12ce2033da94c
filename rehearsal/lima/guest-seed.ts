/** How a container boots with what Lima lays down for a virtual machine: cloud-init's files, and the folder Lima calls cidata. */

/** Where a container has that folder. */
export const guestCidata = "/var/lib/machine/cidata";

/** Lima's own line for it, in https://github.com/lima-vm/lima/blob/v2.2.0/pkg/cidata/cidata.TEMPLATE.d/user-data */
const mountLine = /^( *)mount -o \S+ "\$\{LIMA_CIDATA_DEV\}" "\$\{LIMA_CIDATA_MNT\}"$/gm;

/**
 * The user-data of Lima's for a container: all of it but the one line that mounts a CD-ROM, in whose place a folder is mounted.
 *
 * @throws Error when it is not as Lima 2.2 writes it
 */
export function guestUserData(userData: string): string {
  const found = userData.match(mountLine) ?? [];
  if (found.length !== 1) {
    throw new Error(`Lima's user-data must mount its CD-ROM in one line, got ${found.length} of them`);
  }
  return userData.replace(mountLine, `$1mount --bind ${guestCidata} "\${LIMA_CIDATA_MNT}"`);
}
