/**
 * Where no image registry is reached k3s's ServiceLB has no image: on the nodes a stand-in takes its name, which passes connections on
 * by the same variables as klipper-lb.
 */
import { execa } from "execa";
import { asCtr } from "./ctr.ts";
import { podman } from "./podman.ts";
import type { RehearsedStack } from "./rehearsal.ts";
import { buildSmallImage } from "./small-image.ts";

/** https://github.com/k3s-io/klipper-lb: SRC_PORT, DEST_PROTO, DEST_IPS and DEST_PORT say what is passed on, and where to. */
const forward = 'exec busybox nc -ll -p "$SRC_PORT" -e busybox nc "$DEST_IPS" "$DEST_PORT"';

/** @param image as the DaemonSet names it, without a registry */
export async function standInForServiceLb(
  stack: RehearsedStack,
  nodes: readonly string[],
  image: string,
): Promise<void> {
  const name = `docker.io/${image}`;
  await buildSmallImage(name, `ENTRYPOINT ${JSON.stringify(["busybox", "sh", "-c", forward])}`);
  try {
    for (const node of nodes) {
      const save = execa("podman", ["save", name], { encoding: "buffer" });
      const load = ["bash", "-c", `${asCtr("k3s")} images import -`];
      await save.pipe("podman", ["exec", "--interactive", stack.machine(node), ...load]);
    }
  } finally {
    await podman(["rmi", "--force", name]);
  }
}
