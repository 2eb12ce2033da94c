/** Where SSH into a virtual machine answers on its Mac: connections to a port of 127.0.0.1 go on to the machine. */
import { type Server, type Socket, connect, createServer } from "node:net";

const host = "127.0.0.1";

export interface Relay {
  close(): void;
}

/** @throws Error when the port is somebody else's */
export async function relay(
  port: number,
  target: { readonly host: string; readonly port: number },
): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const machine = connect(target);
    for (const [one, other] of [
      [client, machine],
      [machine, client],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await listen(server, port);
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
