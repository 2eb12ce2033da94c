/** Signed images on a web server of this process, as Flatcar's site has them. */
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { FlatcarImage } from "../../components/render/flatcar-image.ts";

export class SignedImages {
  readonly #folder = mkdtempSync(join(tmpdir(), "images-"));
  readonly #server: Server;
  #fingerprint = "";

  constructor() {
    this.#server = createServer((request, response) => {
      const file = join(this.#folder, (request.url ?? "").replaceAll(/[^\w.-]/g, ""));
      const size = statSync(file, { throwIfNoEntry: false })?.size;
      response.writeHead(size === undefined ? 404 : 200);
      if (size === undefined) response.end();
      else createReadStream(file).pipe(response);
    });
  }

  /** A key of its own, and the server. */
  async start(): Promise<void> {
    await this.#gpg(
      "--passphrase",
      "",
      "--quick-generate-key",
      "builder@example.org",
      "ed25519",
      "sign",
      "never",
    );
    const listed = await this.#gpg("--with-colons", "--list-keys");
    this.#fingerprint = /^fpr:{9}([0-9A-F]{40}):/m.exec(listed)?.[1] ?? "";
    writeFileSync(join(this.#folder, "key.asc"), await this.#gpg("--armor", "--export"));
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** An image of nothing: a machine that starts from it finds no system. */
  async makeEmpty(name: string, size: string): Promise<void> {
    await execa("qemu-img", ["create", "-q", "-f", "qcow2", this.path(name), size]);
    await this.sign(name);
  }

  async sign(name: string): Promise<void> {
    await this.#gpg("--output", `${this.path(name)}.sig`, "--detach-sign", this.path(name));
  }

  /** What `VmImage` is asked for. */
  request(name: string): FlatcarImage {
    const { port } = this.#server.address() as AddressInfo;
    const at = (file: string): string => `http://127.0.0.1:${String(port)}/${file}`;
    return {
      urls: [at(name)],
      sha256: createHash("sha256")
        .update(readFileSync(this.path(name)))
        .digest("hex"),
      signatureUrls: [at(`${name}.sig`)],
      signingKeyUrls: [at("key.asc")],
      fingerprint: this.#fingerprint,
    };
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    await execa("gpgconf", ["--homedir", this.#folder, "--kill", "gpg-agent"], { reject: false });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #gpg(...args: string[]): Promise<string> {
    return (await execa("gpg", ["--homedir", this.#folder, "--batch", "--yes", ...args])).stdout;
  }
}
