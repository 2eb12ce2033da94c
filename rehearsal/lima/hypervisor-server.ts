/**
 * Where the drivers of rehearsed Macs order machines: HTTP on a socket that is mounted in each Mac. Paths are
 * `/MAC/MACHINE/start` (POST), `/MAC/MACHINE/stop` (POST), `/MAC/MACHINE/life` (GET) and `/MAC/MACHINE` (DELETE).
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { limaName } from "../../components/upstream/lima.ts";
import type { VirtualMachineName, VirtualMachines } from "./virtual-machines.ts";

const name = z.string().max(limaName.longest).regex(limaName.pattern);
const startSchema = z.strictObject({
  hostName: z.string().min(1),
  disk: z.strictObject({ name, id: z.string().regex(/^[0-9a-f]+$/) }).optional(),
});
const mostBytes = 65_536;
/** What a path of a socket may have, with the zero at its end. https://man7.org/linux/man-pages/man7/unix.7.html */
const longestPath = 107;

class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface HypervisorServer {
  /** Ends; the machines run on. */
  close(): Promise<void>;
}

/** @throws Error when the socket's path is too long for one */
export async function serveHypervisor(socket: string, machines: VirtualMachines): Promise<HypervisorServer> {
  if (Buffer.byteLength(socket) > longestPath) {
    throw new Error(
      `HOMESPAN_STATE must be shorter: ${socket} is longer than the ${longestPath} bytes of a socket's path`,
    );
  }
  let closing = false;
  const isClosing = (): boolean => closing;
  const server = createServer((incoming, outgoing) => {
    void answer(machines, incoming, outgoing, isClosing);
  });
  await mkdir(dirname(socket), { recursive: true, mode: 0o711 });
  await rm(socket, { force: true });
  await listen(server, socket);
  return {
    close: () => {
      closing = true;
      server.closeAllConnections();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

function listen(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The user of a Mac is nobody here; who reaches the folder is in such a Mac, or root.
    server.listen({ path: socket, readableAll: true, writableAll: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function answer(
  machines: VirtualMachines,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  isClosing: () => boolean,
): Promise<void> {
  try {
    const text = await handle(machines, incoming, outgoing, isClosing);
    outgoing.writeHead(200, { "content-type": "application/json" }).end(text);
  } catch (error) {
    const status = error instanceof Refused ? error.status : 500;
    const message = error instanceof Error ? error.message : String(error);
    outgoing
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify({ error: message }));
  }
}

async function handle(
  machines: VirtualMachines,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  isClosing: () => boolean,
): Promise<string> {
  const [, mac, machine, verb = ""] = (incoming.url ?? "").split("/");
  const named = z.strictObject({ mac: name, name }).safeParse({ mac, name: machine });
  if (!named.success) throw new Refused(404, `there is nothing at ${incoming.url ?? ""}`);
  switch (`${incoming.method ?? ""} ${verb}`) {
    case "POST start": {
      const order = startSchema.safeParse(JSON.parse(await body(incoming)));
      if (!order.success) throw new Refused(400, z.prettifyError(order.error));
      const { hostName, disk } = order.data;
      return JSON.stringify(await machines.start(named.data, { hostName, disk }));
    }
    case "POST stop":
      await machines.stop(named.data);
      return "{}";
    case "DELETE ":
      await machines.remove(named.data);
      return "{}";
    case "GET life":
      await live(machines, named.data, outgoing, isClosing);
      return "{}";
    default:
      throw new Refused(405, `${incoming.method ?? ""} is not for ${incoming.url ?? ""}`);
  }
}

/** A machine lives as long as its driver: where that is killed, or its Mac is, the machine loses its power. */
async function live(
  machines: VirtualMachines,
  machine: VirtualMachineName,
  outgoing: ServerResponse,
  isClosing: () => boolean,
): Promise<void> {
  const driver = new AbortController();
  const gone = (): void => {
    driver.abort();
  };
  outgoing.on("close", gone);
  try {
    await machines.life(machine, driver.signal);
  } catch (error) {
    if (!driver.signal.aborted) throw error;
    if (!isClosing()) await machines.kill(machine);
  } finally {
    outgoing.off("close", gone);
  }
}

async function body(incoming: IncomingMessage): Promise<string> {
  let text = "";
  incoming.setEncoding("utf8");
  for await (const part of incoming as AsyncIterable<string>) {
    text += part;
    if (text.length > mostBytes) throw new Refused(413, "an order must be shorter");
  }
  return text;
}
