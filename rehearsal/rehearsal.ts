/** One rehearsal from its start to its end: world, machines, clouds and plugins in one folder (docs/rehearsal.md). */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemEffects } from "../provider/effects/effects.ts";
import { runProcess } from "../provider/effects/process.ts";
import { openAwsBooks } from "./clouds/aws/books.ts";
import { daemonState, startDaemon } from "./daemon/daemon.ts";
import { removeTailnet } from "./daemon/removal.ts";
import type { DaemonState, Orders } from "./daemon/state.ts";
import { type HomeMachine, homeKeyFile, startHomeMachine } from "./machines/home-machine.ts";
import { makePulumiHome } from "./plugins.ts";
import { becomeVisitor, leave, visitorAddress } from "./visitor.ts";
import { changeWorld, findWorld, makeWorld, removeWorld } from "./world.ts";

/** What is rehearsed. */
export interface RehearsalSettings {
  /** Region of the rehearsed cloud. */
  readonly region: string;
  /** MagicDNS suffix of the rehearsed tailnet. */
  readonly domain: string;
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
    const { region, imagesDirectory, domain, cache, arch, programs } = settings;
    await makeWorld(folder, {
      world: name,
      region,
      ...(imagesDirectory === undefined ? {} : { imagesDirectory }),
    });
    const daemon = await startDaemon({ folder, orders: { domain, cache, arch, programs } });
    const world = await changeWorld(folder, { hosts: daemon.hosts, caFile: daemon.caFile });
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

  /** Starts the machine at home, which no cloud made; for a rehearsal that runs. */
  home(): Promise<HomeMachine> {
    return startHomeMachine(this.folder);
  }

  /** What the clouds' books still hold, as `instance lightsail-server-1`. */
  async ordered(): Promise<readonly string[]> {
    const books = await openAwsBooks(this.folder).read();
    const entries: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
      instance: books.instances,
      "static IP": books.staticIps,
      disk: books.disks,
      "key pair": books.keyPairs,
      bucket: books.buckets,
    };
    return Object.entries(entries).flatMap(([kind, named]) =>
      Object.keys(named).map((name) => `${kind} ${name}`),
    );
  }

  /** Removes everything of it from this machine; its folder is left to the caller. Succeeds when it is gone. */
  async end(): Promise<void> {
    await removeTailnet(this.folder, this.world, systemEffects());
    await removeWorld(this.folder, (await findWorld(this.folder))?.world ?? this.world);
    await this.#visit(undefined);
  }

  /** The address is written down before it is there, so that it is found by who ends a rehearsal that was killed. */
  async #visit(address: string | undefined, become?: (address: string) => Promise<void>): Promise<void> {
    const file = join(this.folder, "visitor");
    const former = await readFile(file, "utf8").catch(() => "");
    if (former !== "" && former !== address) await leave(runProcess, former);
    if (address === undefined) return;
    await writeFile(file, address, { mode: 0o600 });
    await become?.(address);
  }
}

function environmentOf(folder: string, daemon: DaemonState): Readonly<Record<string, string>> {
  return {
    HOMESPAN_REHEARSAL: folder,
    // The key of whoever owns the machine at home, where there is one.
    ...(existsSync(homeKeyFile(folder)) ? { HOMESPAN_SSH_KEY: homeKeyFile(folder) } : {}),
    TAILSCALE_BASE_URL: daemon.apiUrl,
    TAILSCALE_API_KEY: daemon.apiKey,
    HTTPS_PROXY: daemon.proxyUrl,
    NO_PROXY: noProxy,
    SSL_CERT_FILE: daemon.caFile,
    ...(daemon.artifactsFile === "" ? {} : { HOMESPAN_ARTIFACTS: daemon.artifactsFile }),
  };
}
