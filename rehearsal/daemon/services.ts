/** All that the daemon serves: made from files, and nothing of it lost when the process ends. */
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { apiServer } from "../clouds/tailscale/api-server.ts";
import { type Account, ACCOUNT_USER, openAccount } from "../clouds/tailscale/account.ts";
import { tailscaleApi } from "../clouds/tailscale/api.ts";
import { type Control, HeadscaleControl } from "../clouds/tailscale/control.ts";
import {
  CONTROL_HOST,
  type ControlServer,
  controlServer,
  internetOf,
} from "../clouds/tailscale/control-server.ts";
import { hostAddress } from "../../components/render/address.ts";
import { objectFiles, serviceName } from "../objects/files.ts";
import { ensureObjectServer } from "../objects/object-server.ts";
import { enforcePolicy } from "../clouds/tailscale/policy-file.ts";
import { Faults } from "../clouds/shared/faults.ts";
import type { Effects } from "../../provider/effects/effects.ts";
import { CommandError } from "../../provider/effects/process.ts";
import { type MadeArtifact, artifactsFile, makeArtifacts } from "./artifacts.ts";
import { mirrorPath, mirrorServer } from "./mirror.ts";
import { serveHypervisor } from "../lima/hypervisor-server.ts";
import { hypervisorFiles } from "../lima/names.ts";
import { PodmanVirtualMachines, type VirtualMachines } from "../lima/virtual-machines.ts";
import { type World, changeWorld, readWorld, worldEffects } from "../world.ts";
import { connectProxy } from "./proxy.ts";
import {
  type ControlOrder,
  type DaemonState,
  type Orders,
  asText,
  daemonFiles,
  isTrusted,
  readPorts,
  writeFileWhole,
} from "./state.ts";

/** The control server and the ways to talk to it; tests put others in their place. */
export interface ControlPlane {
  readonly server: (folder: string, world: World, orders: Orders) => ControlServer;
  readonly control: (container: string) => Control;
  /** A key for the control server's own API. */
  readonly apiKey: (container: string) => Promise<string>;
  /** The S3 service, in the control server's network; undefined for a rehearsal without one. */
  readonly objects: (
    folder: string,
    world: World,
    orders: Orders,
    signal: AbortSignal,
  ) => Promise<ObjectPlane | undefined>;
  /** What makes the virtual machines of rehearsed Macs; undefined for a rehearsal without them. */
  readonly virtualMachines: (folder: string) => VirtualMachines | undefined;
}

export interface ObjectPlane {
  /** PEM. */
  readonly caCertificate: string;
  /** The file it is in. */
  readonly caFile: string;
  /** Its names -> its address. */
  readonly hosts: Readonly<Record<string, string>>;
  /** The names of all buckets, `*.name` -> its address. */
  readonly buckets: Readonly<Record<string, string>>;
}

/** The real Headscale. */
export function headscaleControlPlane(effects: Effects): ControlPlane {
  return {
    server: (folder, { world }, { domain, control }) => {
      const file = daemonFiles(folder).controlServer;
      return controlServer({ effects, file, world, domain, host: hostOf(control) });
    },
    control: (container) => new HeadscaleControl(effects.podman, container, ACCOUNT_USER),
    apiKey: async (container) => {
      const argv = ["headscale", "apikeys", "create", "--expiration", "3650d", "--output", "json"];
      const made = await effects.podman.exec(container, argv, { timeoutSeconds: 20 });
      if (made.code !== 0) throw new CommandError("headscale apikeys create", made);
      return JSON.parse(made.stdout) as string;
    },
    async objects(folder, { world, region }, { programs }, signal) {
      const program = programs?.versitygw?.path;
      if (program === undefined) return undefined;
      const { network, subnet } = await internetOf(effects.podman, world);
      const address = hostAddress(subnet, OBJECTS_NUMBER);
      const place = { effects, folder, world, region, network, address, program };
      const caCertificate = await ensureObjectServer(place, signal);
      const names = [serviceName(region), `s3.${region}.amazonaws.com`];
      return {
        caCertificate,
        caFile: join(objectFiles(folder).tls, "ca.crt"),
        hosts: Object.fromEntries(names.map((name) => [name, address])),
        buckets: Object.fromEntries(names.map((name) => [`*.${name}`, address])),
      };
    },
    virtualMachines: (folder) => new PodmanVirtualMachines(folder, worldEffects()),
  };
}

function hostOf(control: ControlOrder): string {
  return control.kind === "tailscale" ? CONTROL_HOST : control.host;
}

/** Number of its address in the control server's network. */
const OBJECTS_NUMBER = 11;

export interface RunningServices {
  readonly state: DaemonState;
  stop(): Promise<void>;
}

/** Starts everything; returns when all of it answers and daemon.json says so. */
export async function startServices(
  folder: string,
  orders: Orders,
  plane: ControlPlane,
  signal: AbortSignal,
): Promise<RunningServices> {
  const files = daemonFiles(folder);
  const world = await readWorld(folder);
  const account = await openAccount(files.account);
  const making = artifactsOf(orders);
  // Awaited below, beside what takes longer.
  making.catch(() => undefined);
  const server = plane.server(folder, world, orders);
  const found = await server.ensure(account.books.magicDns, signal);
  const control = plane.control(found.container);
  // Somebody's own Headscale has a policy of its own, or none.
  if (orders.control.kind === "tailscale") await enforcePolicy({ account, control });
  const objects = await plane.objects(folder, world, orders, signal);
  const trusted = isTrusted(orders.control);
  const bucketCa = objects?.caCertificate ?? "";
  await writeFileWhole(files.caFile, pemFile(found.caCertificate, trusted ? bucketCa : ""));
  const headscaleKey = await headscaleKeyOf(files.headscaleKey, orders, () => plane.apiKey(found.container));

  const hosts = { [hostOf(orders.control)]: found.address, ...objects?.hosts };
  // Machines made from now on know the name, and trust whoever bears it where the internet would.
  await changeWorld(folder, {
    hosts: { ...(await readWorld(folder)).hosts, ...hosts },
    caFile: trusted ? files.caFile : objects?.caFile,
  });
  const artifacts = await making;
  const virtualMachines = plane.virtualMachines(folder);
  const hypervisor =
    virtualMachines && (await serveHypervisor(hypervisorFiles(folder).socket, virtualMachines));
  const setMagicDns = async (on: boolean): Promise<void> => {
    await server.ensure(on, signal);
  };
  const api = tailscaleApi({
    account,
    control,
    domain: orders.domain,
    setMagicDns,
    faults: new Faults(folder),
  });
  const { gateway } = world.network;
  const servers: Record<string, Server> = {
    api: apiServer(api),
    proxy: connectProxy(() => ({ ...hosts, ...objects?.buckets })),
    ...(artifacts.length === 0 ? {} : { mirror: mirrorServer(artifacts, [gateway, "127.0.0.1"]) }),
  };
  const connections = connectionsOf(Object.values(servers));
  const ports = await listenAll(servers, await readPorts(folder));
  await writeFileWhole(files.ports, asText(ports));
  const { api: apiPort = 0, proxy: proxyPort = 0, mirror: mirrorPort } = ports;
  const mirrorUrl = mirrorPort === undefined ? "" : `http://${gateway}:${String(mirrorPort)}`;
  if (mirrorUrl !== "") {
    const urls = (artifact: MadeArtifact): string[] => [`${mirrorUrl}${mirrorPath(artifact)}`];
    await writeFileWhole(files.artifacts, artifactsFile(artifacts, urls));
  }
  const state: DaemonState = {
    pid: process.pid,
    apiUrl: `http://127.0.0.1:${String(apiPort)}`,
    proxyUrl: `http://127.0.0.1:${String(proxyPort)}`,
    mirrorUrl,
    ...account.books.credentials,
    headscaleKey,
    caFile: files.caFile,
    artifactsFile: mirrorUrl === "" ? "" : files.artifacts,
    hosts,
    ports: { api: apiPort, proxy: proxyPort, ...(mirrorPort === undefined ? {} : { mirror: mirrorPort }) },
    orders,
  };
  await writeFileWhole(files.state, asText(state));
  const stop = async (): Promise<void> => {
    await hypervisor?.close();
    await stopAll(account, Object.values(servers), connections);
  };
  return { state, stop };
}

/** Made once: what was told it goes on with it. */
async function headscaleKeyOf(
  file: string,
  { control }: Orders,
  make: () => Promise<string>,
): Promise<string> {
  if (control.kind === "tailscale") return "";
  const known = await readFile(file, "utf8").catch(() => "");
  if (known !== "") return known;
  const made = await make();
  await writeFileWhole(file, made);
  return made;
}

/** One after the other, each on lines of its own. */
function pemFile(...certificates: readonly string[]): string {
  return certificates
    .filter((it) => it !== "")
    .map((it) => `${it.trimEnd()}\n`)
    .join("");
}

async function artifactsOf({ programs, arch, cache }: Orders): Promise<readonly MadeArtifact[]> {
  return programs === undefined ? [] : makeArtifacts(programs, arch, cache);
}

/** Each on the port it had before, if that is free. */
async function listenAll(
  servers: Readonly<Record<string, Server>>,
  former: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const [name, server] of Object.entries(servers)) {
    // Machines reach the mirror from their network; all else is for this machine.
    const host = name === "mirror" ? "0.0.0.0" : "127.0.0.1";
    ports[name] = await listen(server, host, former[name] ?? 0).catch(() => listen(server, host, 0));
  }
  return ports;
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      if (typeof address === "object" && address !== null) resolve(address.port);
      else reject(new Error(`${host} gave no port`));
    });
  });
}

/** What is under way in the books comes to its end first. */
async function stopAll(
  account: Account,
  servers: readonly Server[],
  connections: ReadonlySet<Socket>,
): Promise<void> {
  const closed = servers.map(
    (server) =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  );
  for (const connection of connections) connection.destroy();
  await Promise.all(closed);
  await account.change(() => ({}));
}

/** All open connections, also those that a proxy made tunnels of and its server forgot. */
function connectionsOf(servers: readonly Server[]): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  for (const server of servers) {
    server.on("connection", (socket: Socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    });
  }
  return open;
}
