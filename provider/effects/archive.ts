/** Tar archives, the one way files go into volumes and onto nodes. */

export interface ArchivedFile {
  /** Relative, without a leading slash. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** An archive with the files in the order given. */
export async function writeArchive(files: readonly ArchivedFile[]): Promise<Buffer> {
  const { default: tar } = await import("tar-stream");
  const pack = tar.pack();
  for (const file of files) pack.entry({ name: file.path, mode: file.mode }, file.content);
  pack.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of pack as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Path -> content of the regular files in an archive. */
export async function readArchive(archive: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const { default: tar } = await import("tar-stream");
  const extract = tar.extract();
  extract.end(Buffer.from(archive));
  const found = new Map<string, string>();
  for await (const entry of extract) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    found.set(entry.header.name.replace(/^(\.?\/)+/, ""), Buffer.concat(chunks).toString());
  }
  return found;
}
