/** Where an image of Flatcar is, and who must have signed it. */
import { flatcarReleases, flatcarSigningKey } from "../upstream/flatcar.ts";

export interface FlatcarRelease {
  readonly channel: "stable" | "beta" | "alpha" | "lts";
  /** Such as 4230.2.3. */
  readonly version: string;
  /** Of flatcar_production_qemu_image.img. */
  readonly sha256: string;
  /**
   * Directories that hold the image, its signature and the key `Flatcar_Image_Signing_Key.asc`, asked before Flatcar's own.
   *
   * @default none
   */
  readonly mirrors?: readonly string[];
  /**
   * Fingerprint of the primary key that must have signed it.
   *
   * @default that of Flatcar's own builds
   */
  readonly fingerprint?: string | undefined;
}

/** What `VmImage` is asked for. */
export interface FlatcarImage {
  readonly urls: string[];
  readonly sha256: string;
  readonly signatureUrls: string[];
  readonly signingKeyUrls: string[];
  readonly fingerprint: string;
}

/** @throws RangeError for a version that is none, as `current`: a moving one has no sum */
export function flatcarImage({
  channel,
  version,
  sha256,
  mirrors = [],
  fingerprint = flatcarSigningKey.fingerprint,
}: FlatcarRelease): FlatcarImage {
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw new RangeError(`\`version\` must be a release such as 4230.2.3, got ${JSON.stringify(version)}`);
  }
  const elsewhere = mirrors.map((mirror) => mirror.replace(/\/+$/, ""));
  const own = `https://${channel}.${flatcarReleases.host}/${flatcarReleases.board}/${version}`;
  const urls = [...elsewhere, own].map((folder) => `${folder}/${flatcarReleases.image}`);
  return {
    urls,
    sha256,
    signatureUrls: urls.map((url) => `${url}.sig`),
    signingKeyUrls: [
      ...elsewhere.map((folder) => `${folder}/${flatcarSigningKey.file}`),
      flatcarSigningKey.url,
    ],
    fingerprint,
  };
}
