/** What is done on a machine that was installed with a first configuration of ours, by the scripts in boot/machine/installed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SshTransport } from "../schema/common.ts";
import type { Mark } from "./existing-machines.ts";
import { CommandError } from "./process.ts";
import type { Ssh } from "./ssh.ts";

const SCRIPTS = join(import.meta.dirname, "../../boot/machine/installed");
/** k3s alone may take more than a minute to stop, and its data some time to go. */
const LEAVE_SECONDS = 600;

/**
 * Whose node's data the machine has; one that has none gets this mark.
 *
 * @returns `undefined` for a machine that was not installed with such a configuration
 * @throws SshFailure
 */
export async function markInstalled(
  ssh: Ssh,
  transport: SshTransport,
  library: string,
  { clusterName, nodeName, identity }: Omit<Mark, "machineId">,
): Promise<Mark | undefined> {
  const argv = ["/bin/sh", "-s", "--", library, clusterName, nodeName, identity];
  const finished = await ssh.run(transport, argv, { input: await script("arrive") });
  if (finished.code !== 0) throw new CommandError(`marking ${transport.address} as ${nodeName}`, finished);
  const found = new Map(
    finished.stdout.split("\n").map((line): [string, string] => {
      const [key = "", ...value] = line.split("=");
      return [key, value.join("=")];
    }),
  );
  if (found.get("LIBRARY") !== "present") return undefined;
  const value = (key: string): string => found.get(key) ?? "";
  return {
    ...{ clusterName: value("CLUSTER"), nodeName: value("NODE") },
    ...{ machineId: value("MACHINE_ID"), identity: value("ID") },
  };
}

/** Takes the node off the machine, which starts anew. */
export async function clearInstalled(ssh: Ssh, transport: SshTransport, library: string): Promise<void> {
  const options = { input: await script("leave"), timeoutSeconds: LEAVE_SECONDS };
  const finished = await ssh.run(transport, ["/bin/sh", "-s", "--", library], options);
  if (finished.code !== 0) throw new CommandError(`taking the node off ${transport.address}`, finished);
}

function script(name: "arrive" | "leave"): Promise<string> {
  return readFile(join(SCRIPTS, name), "utf8");
}
