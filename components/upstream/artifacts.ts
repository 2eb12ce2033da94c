/**
 * What a machine with systemd downloads, with the sums of what it must get: another content is refused, from whichever
 * mirror it came. Where the sums were read is in docs/decisions/0015-artifacts-by-sum.md.
 */

export interface PinnedDownload {
  readonly urls: readonly string[];
  /** Of what each URL gives. */
  readonly sha256: string;
}

/** By kind of machine; one that is missing cannot run the program. Lightsail's are amd64 alone. */
export type PinnedDownloads = Readonly<Partial<Record<"amd64" | "arm64", PinnedDownload>>>;

/** By release. https://github.com/k3s-io/k3s/releases */
export const k3sDownloads: Readonly<Record<string, PinnedDownloads>> = {
  "v1.35.1+k3s1": {
    amd64: {
      urls: ["https://github.com/k3s-io/k3s/releases/download/v1.35.1%2Bk3s1/k3s"],
      sha256: "e406ca6e47673d747ab4665c90a9285615fe082e2593343725ed043ae163abbf",
    },
  },
};

/** 1.96.4, the archive of both programs. https://pkgs.tailscale.com/stable/#static */
export const tailscaleDownloads: PinnedDownloads = {
  amd64: {
    urls: ["https://pkgs.tailscale.com/stable/tailscale_1.96.4_amd64.tgz"],
    sha256: "a1cba18826b1f91cb25ef7f5b8259b5258339b42db7867af9269e21829ea78cc",
  },
  arm64: {
    urls: ["https://pkgs.tailscale.com/stable/tailscale_1.96.4_arm64.tgz"],
    sha256: "a27249bc70d7b37a68f8be7f5c4507ea5f354e592dce43cb5d4f3e742b313c3c",
  },
};
