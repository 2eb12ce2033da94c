/** One rehearsal from its start to its end: world, machines, clouds and plugins in one folder (docs/rehearsal.md). */
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RegistryMirrors } from "../components/render/registry.ts";
import { systemEffects } from "../provider/effects/effects.ts";
import { runProcess } from "../provider/effects/process.ts";
import type { ToolRow } from "../toolchain/types.ts";
import { openAccount } from "./clouds/aws/account.ts";
import { openAwsBooks } from "./clouds/aws/books.ts";
import { forgetLostInstances } from "./clouds/aws/service/instances.ts";
import { daemonState, startDaemon } from "./daemon/daemon.ts";
import { removeTailnet } from "./daemon/removal.ts";
import {
  type ControlOrder,
  type DaemonState,
  type Orders,
  daemonFiles,
  isTrusted,
  readOrders,
} from "./daemon/state.ts";
import {
  type HomeLibvirt,
  type LibvirtOrder,
  endEmptyLibvirt,
  endLibvirt,
  leftInLibvirt,
  libvirtArtifacts,
  startLibvirt,
  wakeLibvirt,
} from "./libvirt/home-libvirt.ts";
import { type GuestImageOptions, guestImage, guestPrograms } from "./libvirt/guest-image.ts";
import { type Mac, leftOnMacs, removeEmptyMacs, startMac, wakeMacs } from "./lima/mac-machine.ts";
import { type HomeMachine, homeKeyFile, startHomeMachine } from "./machines/home-machine.ts";
import { PodmanMachines } from "./machines/podman-machines.ts";
import { bootId, wakeMachines } from "./machines/waking.ts";
import { objectFiles } from "./objects/files.ts";
import { makePulumiHome } from "./plugins.ts";
import { becomeVisitor, leave, visitorAddress } from "./visitor.ts";
import { ensureRegistry, wakeRegistry } from "./registry.ts";
import { findWorld, makeWorld, readWorld, removeWorld } from "./world.ts";

export type { ControlOrder } from "./daemon/state.ts";
export type { HomeLibvirt, LibvirtOrder } from "./libvirt/home-libvirt.ts";
export { type Mac, macName } from "./lima/mac-machine.ts";

/** What is rehearsed. */
export interface RehearsalSettings {
  /** Region of the rehearsed cloud. */
  readonly region: string;
  /** MagicDNS suffix of the rehearsed tailnet. */
  readonly domain: string;
  /** Whose control server the tailnet has. */
  readonly control: ControlOrder;
  /** Networks in CIDR notation from which the stack lets SSH in; this machine gets an address in the first. */
  readonly sshSources: readonly string[];
  /** Folder for what is made once for all rehearsals. */
  readonly cache: string;
  readonly arch: Orders["arch"];
  /** What machines download. */
  readonly programs: NonNullable<Orders["programs"]>;
  /** Folder of image archives for machines that reach no registry. */
  readonly imagesDirectory: string | undefined;
  /** PULUMI_HOME with the real plugins. */
  readonly pluginsOf: string;
}

/** Stays on this machine, whatever proxies there are. */
const noProxy = "127.0.0.1,localhost,198.18.0.0/15,172.16.0.0/12,10.0.0.0/8";

/** In the rehearsal's folder: a file for each stack that is rehearsed in it and is not its own. */
const joinedFolder = "joined";

/** A rehearsal in a folder, whether it runs or not. */
export class Rehearsal {
  /** Everything it remembers is in here. */
  readonly folder: string;
  /** Name of its world: label and part of the name of everything it makes with Podman. */
  readonly world: string;

  constructor(folder: string, world: string) {
    this.folder = folder;
    this.world = world;
  }

  /**
   * Makes what is missing of it, and returns the environment in which Pulumi works on it.
   *
   * @throws Error with the reason when a part does not come up
   */
  async start(settings: RehearsalSettings): Promise<Readonly<Record<string, string>>> {
    const { folder, world: name } = this;
    const { region, imagesDirectory, domain, control, cache, arch, programs } = settings;
    await makeWorld(folder, {
      world: name,
      region,
      ...(imagesDirectory === undefined ? {} : { imagesDirectory }),
    });
    const daemon = await startDaemon({ folder, orders: { domain, control, cache, arch, programs } });
    const world = await readWorld(folder);
    await wakeMachines(folder, world, await bootId());
    // Also for a stack that has no virtual machine any more: those it had are still to be removed.
    await wakeLibvirt(folder);
    await makePulumiHome(join(folder, "pulumi-home"), settings.pluginsOf);
    const [source] = settings.sshSources;
    const visitor = source === undefined ? undefined : visitorAddress(source, world.publicRange);
    await this.#visit(visitor, async (address) => becomeVisitor(runProcess, world, address));
    return environmentOf(folder, daemon);
  }

  /** The environment of {@link start} again; `undefined` when the rehearsal does not run. */
  async environment(): Promise<Readonly<Record<string, string>> | undefined> {
    const daemon = await daemonState(this.folder);
    return daemon === undefined ? undefined : environmentOf(this.folder, daemon);
  }

  /**
   * Starts the libvirt at home with the machines of a stack; for a rehearsal that runs.
   *
   * @param pluginsOf - PULUMI_HOME with the real plugins: libvirt's may have come since this rehearsal was started
   */
  async libvirt(
    order: LibvirtOrder,
    { tools, ...image }: Omit<GuestImageOptions, "programs"> & { readonly tools: readonly ToolRow[] },
    pluginsOf: string,
  ): Promise<HomeLibvirt> {
    await makePulumiHome(join(this.folder, "pulumi-home"), pluginsOf);
    const programs = guestPrograms(tools);
    return startLibvirt(this.folder, order, await guestImage({ ...image, programs }));
  }

  /** Starts the image registry that every machine reaches, or moves it to this port; for a rehearsal that runs. */
  registry(port: number): Promise<RegistryMirrors> {
    return ensureRegistry(this.folder, port);
  }

  /** Starts the machine at home, which no cloud made; for a rehearsal that runs. */
  home(): Promise<HomeMachine> {
    return startHomeMachine(this.folder);
  }

  /**
   * Starts a Mac at home; for a rehearsal that runs.
   *
   * @param limactl - the real program
   */
  mac(mac: Mac, limactl: string): Promise<HomeMachine> {
    return startMac(this.folder, mac, limactl);
  }

  /** Names of the stacks that are rehearsed in this one, as they join its cluster. */
  async joined(): Promise<readonly string[]> {
    return (await readdir(join(this.folder, joinedFolder)).catch(() => [])).sort();
  }

  /** A stack comes to be rehearsed in this one. */
  async join(stack: string): Promise<void> {
    const folder = join(this.folder, joinedFolder);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, stack), "");
  }

  /** A stack that was rehearsed in this one is destroyed. Macs and a libvirt on which nothing is left go with it. */
  async leave(stack: string): Promise<void> {
    await removeEmptyMacs(this.folder);
    await endEmptyLibvirt(this.folder);
    await rm(join(this.folder, joinedFolder, stack), { force: true });
  }

  /**
   * What `limactl list` and `limactl disk list` still show, and virsh, as `Lima disk home-agent-1-data on imac`.
   *
   * @param names - of what is looked for; the others are another stack's. @default everything
   */
  async leftAtHome(names?: ReadonlySet<string>): Promise<readonly string[]> {
    const meant = ({ name }: { readonly name: string }): boolean => names?.has(name) ?? true;
    const onMacs = (await leftOnMacs(this.folder)).filter(meant);
    const inLibvirt = (await leftInLibvirt(this.folder)).filter(meant);
    return [
      ...onMacs.map(({ kind, name, mac }) => `${kind} ${name} on ${mac}`),
      ...inLibvirt.map(({ kind, name }) => `${kind} ${name} on libvirt`),
    ];
  }

  /**
   * Brings back what a restart of this machine took, or a kill of the daemon: rules, addresses, daemon and control server. A
   * rehearsal that runs is left as it is; `undefined` for one that was never started.
   *
   * @throws Error with the reason when a part does not come up
   */
  async resume(): Promise<Readonly<Record<string, string>> | undefined> {
    const { folder } = this;
    const running = await this.environment();
    if (running !== undefined) {
      await wakeLibvirt(folder);
      return running;
    }
    const [known, orders] = [await findWorld(folder), await readOrders(folder)];
    if (known === undefined || orders === undefined) return undefined;
    const world = await makeWorld(folder, { world: known.world, region: known.region });
    const daemon = await startDaemon({ folder, orders });
    await wakeMachines(folder, world, await bootId());
    await wakeMacs(folder);
    await wakeLibvirt(folder);
    await wakeRegistry(folder);
    const visitor = await this.#visitor();
    if (visitor !== "") await becomeVisitor(runProcess, world, visitor);
    return environmentOf(folder, daemon);
  }

  /** PEM file with the CA of the rehearsed control server, once it runs. */
  get caFile(): string {
    return daemonFiles(this.folder).caFile;
  }

  /** What the clouds' books, the Macs and the libvirt at home still hold, as `instance lightsail-server-1`; forgets instances that are gone. */
  async ordered(): Promise<readonly string[]> {
    // Without a world there are no machines to look for: an end that was cut off.
    if ((await findWorld(this.folder)) !== undefined) {
      await forgetLostInstances(openAccount(this.folder, new PodmanMachines(this.folder)));
    }
    const books = await openAwsBooks(this.folder).read();
    const entries: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
      instance: books.instances,
      "static IP": books.staticIps,
      disk: books.disks,
      "key pair": books.keyPairs,
      bucket: books.buckets,
    };
    const ordered = Object.entries(entries).flatMap(([kind, named]) =>
      Object.keys(named).map((name) => `${kind} ${name}`),
    );
    return [...ordered, ...(await this.leftAtHome())];
  }

  /** Removes everything of it from this machine; its folder is left to the caller. Succeeds when it is gone. */
  async end(): Promise<void> {
    await this.#endOperators();
    await endLibvirt(this.folder);
    await removeTailnet(this.folder, this.world, systemEffects());
    await removeWorld(this.folder, (await findWorld(this.folder))?.world ?? this.world);
    await this.#visit(undefined);
  }

  /** Those of a stack that could not be destroyed: processes of this machine, which nobody would know of. */
  async #endOperators(): Promise<void> {
    const operators = join(this.folder, "state", "operators");
    for (const name of await readdir(operators).catch(() => [])) {
      const directory = join(operators, name);
      // One that has ended is not started again to log out of a tailnet that ends too.
      await rm(join(directory, "tailscaled.state"), { force: true });
      await systemEffects().operators.stop(directory, {
        port: undefined,
        loginServer: "",
        caCertificate: "",
      });
    }
  }

  #visitor(): Promise<string> {
    return readFile(join(this.folder, "visitor"), "utf8").catch(() => "");
  }

  /** The address is written down before it is there, so that it is found by who ends a rehearsal that was killed. */
  async #visit(address: string | undefined, become?: (address: string) => Promise<void>): Promise<void> {
    const file = join(this.folder, "visitor");
    const former = await this.#visitor();
    if (former !== "" && former !== address) await leave(runProcess, former);
    if (address === undefined) return;
    await writeFile(file, address, { mode: 0o600 });
    await become?.(address);
  }
}

async function environmentOf(folder: string, daemon: DaemonState): Promise<Readonly<Record<string, string>>> {
  const { control } = daemon.orders;
  const bucketCa = join(objectFiles(folder).tls, "ca.crt");
  const artifacts = await libvirtArtifacts(folder, daemon.artifactsFile);
  const ca = isTrusted(control) ? daemon.caFile : existsSync(bucketCa) ? bucketCa : undefined;
  return {
    HOMESPAN_REHEARSAL: folder,
    // The key of whoever owns the machine at home, where there is one.
    ...(existsSync(homeKeyFile(folder)) ? { HOMESPAN_SSH_KEY: homeKeyFile(folder) } : {}),
    ...(control.kind === "tailscale"
      ? { TAILSCALE_BASE_URL: daemon.apiUrl, TAILSCALE_API_KEY: daemon.apiKey }
      : { HEADSCALE_API_KEY: daemon.headscaleKey }),
    HTTPS_PROXY: daemon.proxyUrl,
    NO_PROXY: noProxy,
    ...(ca === undefined ? {} : { SSL_CERT_FILE: ca }),
    // Node takes no notice of the other: it is the one that asks a Headscale.
    ...(control.kind === "headscale" && control.trusted ? { NODE_EXTRA_CA_CERTS: daemon.caFile } : {}),
    ...(artifacts === "" ? {} : { HOMESPAN_ARTIFACTS: artifacts }),
  };
}
