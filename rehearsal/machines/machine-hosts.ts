/** Names that a machine knows without asking anyone: its /etc/hosts. */
import type { Podman } from "../../provider/effects/podman.ts";

/** What is missing of the lines is added; a name that is there already stays what it is. */
const script = `for line; do
  grep -qF " \${line#* }" /etc/hosts || echo "$line" >>/etc/hosts
done`;

/** Tells a running machine names -> IPv4 addresses. Podman forgets them when it starts the container again. */
export async function tellHosts(
  podman: Podman,
  container: string,
  names: Readonly<Record<string, string>>,
): Promise<void> {
  const lines = Object.entries(names).map(([name, address]) => `${address} ${name}`);
  if (lines.length === 0) return;
  await podman.command(["exec", container, "sh", "-c", script, "sh", ...lines]);
}
