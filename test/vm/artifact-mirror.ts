/** What machines download, from an address of this machine in their network. */
import { mkdirSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { makeArtifacts, type MadeArtifact } from "../../rehearsal/daemon/artifacts.ts";
import { mirrorPath, mirrorServer } from "../../rehearsal/daemon/mirror.ts";
import type { Mirror } from "../../stacks/artifacts.ts";
import { cacheFolder } from "../../toolchain/folders.ts";
import { listTools } from "../../toolchain/index.ts";

export class ArtifactMirror {
  readonly #server: Server;
  readonly #made: readonly MadeArtifact[];
  readonly #gateway: string;

  private constructor(server: Server, made: readonly MadeArtifact[], gateway: string) {
    this.#server = server;
    this.#made = made;
    this.#gateway = gateway;
  }

  static async start(gateway: string): Promise<ArtifactMirror> {
    const made = await artifacts();
    const server = mirrorServer(made, [gateway]);
    await new Promise<void>((resolve) => server.listen(0, gateway, resolve));
    return new ArtifactMirror(server, made, gateway);
  }

  /**
   * For a program.
   *
   * @param further - places that are tried after this one
   */
  artifacts(further: readonly string[] = []): Mirror {
    return Object.fromEntries(
      this.#made.map((artifact) => [
        artifact.name,
        { [artifact.arch]: { urls: [this.#url(artifact), ...further], sha256: artifact.sha256 } },
      ]),
    );
  }

  artifact(name: MadeArtifact["name"]): { readonly url: string; readonly sha256: string } {
    const found = this.#made.find((artifact) => artifact.name === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return { url: this.#url(found), sha256: found.sha256 };
  }

  stop(): void {
    this.#server.close();
  }

  #url(artifact: MadeArtifact): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${this.#gateway}:${String(port)}${mirrorPath(artifact)}`;
  }
}

/** What machines download, made of the toolchain's own programs. */
async function artifacts(): Promise<readonly MadeArtifact[]> {
  const rows = await listTools();
  const program = (name: string): { path: string; version: string } => {
    const row = rows.find(({ tool }) => tool === name);
    if (row?.path === undefined || row.path === null) throw new Error(`${name} is not installed`);
    return { path: row.path, version: row.version };
  };
  const folder = join(cacheFolder(), "rehearsal");
  mkdirSync(folder, { recursive: true });
  const programs = {
    k3s: program("k3s"),
    tailscale: program("tailscale"),
    tailscaled: program("tailscaled"),
  };
  return makeArtifacts(programs, "amd64", folder);
}
