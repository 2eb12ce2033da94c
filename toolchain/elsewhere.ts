/** Machines without Debian's packages: programs are looked for, since packages' names differ too much to install by. */
import type { Machine } from "./types.ts";

/** A program of the group `vms` -> the package it is in, by Debian's name and by Homebrew's (https://formulae.brew.sh/formula/libvirt and others). */
export const VM_PROGRAMS: Readonly<Record<string, { readonly debian: string; readonly homebrew: string }>> = {
  virsh: { debian: "libvirt-clients", homebrew: "libvirt" },
  // A part of macOS; Homebrew's is kept off PATH for that, and `brew` says how to put it there.
  xsltproc: { debian: "xsltproc", homebrew: "libxslt" },
  gpgv: { debian: "gpgv", homebrew: "gnupg" },
};

export interface ElsewhereRequest {
  readonly platform: Machine["platform"];
  /** True where the nodes are containers of this machine. */
  readonly podman: boolean;
  /** True where virtual machines are made from here. */
  readonly vms: boolean;
  /** Debian's packages for the nodes: what they are called elsewhere is for the user to find. */
  readonly nodePackages: readonly string[];
  readonly hasCommand: (name: string) => boolean;
}

/** @throws Error that names all programs that are missing, and how to get them there. */
export function checkElsewhere({ platform, podman, vms, nodePackages, hasCommand }: ElsewhereRequest): void {
  const noPodman = podman && !hasCommand("podman");
  const programs = Object.entries(vms ? VM_PROGRAMS : {}).filter(([name]) => !hasCommand(name));
  const missing = [...(noPodman ? ["podman"] : []), ...programs.map(([name]) => name)];
  if (missing.length === 0) return;
  const packages = programs.map(([, names]) => (platform === "darwin" ? names.homebrew : names.debian));
  const fix =
    platform === "darwin"
      ? `install with: brew install ${[...(noPodman ? ["podman"] : []), ...packages].join(" ")}` +
        (noPodman ? " && podman machine init --rootful && podman machine start" : "")
      : `install your distribution's packages of: ${[...(noPodman ? nodePackages : []), ...packages].join(" ")}`;
  const named = missing.map((name) => `\`${name}\``).join(", ");
  throw new Error(`${named} must be installed, got none on PATH; ${fix}`);
}
