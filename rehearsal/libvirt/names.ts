/** Places of the rehearsed libvirt in the rehearsal's folder, and numbers of addresses in the home's network. */
import { join } from "node:path";

export const libvirtFiles = (folder: string) => {
  const own = join(folder, "libvirt");
  return {
    own,
    /** What was ordered of it. */
    book: join(own, "book.json"),
    /** libvirtd's own. */
    daemon: join(own, "daemon"),
    /** The router's configuration. */
    router: join(own, "router"),
    /** What the router tells machines. */
    world: join(own, "world"),
    /** For HOMESPAN_ARTIFACTS. */
    artifacts: join(own, "artifacts.json"),
  };
};

/**
 * Host numbers in the network at home, a /24. Podman hands out those of containers from the lowest on, and an address that
 * was given back only once all were handed out.
 */
export const homeNumbers = {
  /** Of machines that nobody ordered. */
  strangers: { first: 200, last: 209 },
  /** From the last on. */
  machines: { first: 210, last: 253 },
  router: 254,
} as const;
