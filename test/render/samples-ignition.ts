/** Plain data for the renderers of immutable machines. */
import { gunzipSync } from "node:zlib";
import {
  type FedoraCoreosMachine,
  fedoraCoreosIgnition,
  fedoraCoreosSources,
} from "../../components/render/fedora-coreos.ts";
import { type FlatcarMachine, flatcarIgnition } from "../../components/render/flatcar.ts";
import { renderIgnition } from "../../components/render/ignition.ts";
import { bootFiles } from "../../components/render/machine-files.ts";
import { sourceText } from "../boot/machine.ts";
import { cloudServer, k3sArtifact, largest } from "./samples-machine.ts";

const keys = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE homespan-home",
];

export const bootSources: Readonly<Record<string, string>> = Object.fromEntries(
  bootFiles.map(({ source }) => [source, sourceText(source)]),
);

const { node: _, ...unseeded } = cloudServer;

/** An agent on Flatcar that gets its boot files and its key by SSH. */
export const flatcar: FlatcarMachine = {
  ...unseeded,
  firewall: { outside: "closed", sshPorts: [22], ingress: false },
  hostName: "home-agent-1",
  sshAuthorizedKeys: keys,
  osUpdates: "off",
};

/** One that nobody reaches: everything is in its first configuration, one key for one login too. */
export const flatcarAlone: FlatcarMachine = {
  ...flatcar,
  bootSources,
  artifacts: largest.artifacts,
  node: { ...largest.node!, nodeName: "agent-1" },
};

export const fedoraCoreos: FedoraCoreosMachine = {
  ...flatcar,
  sources: Object.fromEntries(fedoraCoreosSources.map((source) => [source, sourceText(source)])),
  bootSources,
  artifacts: cloudServer.artifacts,
  node: cloudServer.node!,
  k3s: { url: k3sArtifact.downloads.amd64!.urls[0]!, sha256: k3sArtifact.downloads.amd64!.sha256 },
};

/** Every golden: name -> text. */
export const ignitionGoldens: Readonly<Record<string, string>> = {
  flatcar: renderIgnition(flatcarIgnition(flatcar)),
  "flatcar-alone": renderIgnition(flatcarIgnition(flatcarAlone)),
  "fedora-coreos": renderIgnition(fedoraCoreosIgnition(fedoraCoreos)),
};

/** Ignition's JSON, as far as tests look at it. */
export interface Ignition {
  readonly ignition: { readonly version: string };
  readonly passwd?: {
    readonly users: readonly { readonly name: string; readonly sshAuthorizedKeys: readonly string[] }[];
  };
  readonly storage?: {
    readonly disks?: readonly {
      readonly device: string;
      readonly wipeTable: boolean;
      readonly partitions: readonly Record<string, unknown>[];
    }[];
    readonly filesystems?: readonly Record<string, unknown>[];
    readonly directories?: readonly Record<string, unknown>[];
    readonly files?: readonly IgnitionFileJson[];
    readonly links?: readonly { readonly path: string; readonly target: string }[];
  };
  readonly systemd?: {
    readonly units: readonly {
      readonly name: string;
      readonly enabled?: boolean;
      readonly mask?: boolean;
      readonly contents?: string;
      readonly dropins?: readonly { readonly name: string; readonly contents: string }[];
    }[];
  };
}

export interface IgnitionFileJson {
  readonly path: string;
  readonly mode: number;
  readonly overwrite?: boolean;
  readonly contents: {
    readonly source: string;
    readonly compression?: "gzip";
    readonly verification?: { readonly hash: string };
  };
}

export function parse(text: string): Ignition {
  return JSON.parse(text) as Ignition;
}

/** What a file of Ignition's will hold. */
export function contentOf({ contents }: IgnitionFileJson): string {
  if (contents.compression === "gzip" && contents.source.startsWith("data:;base64,"))
    return gunzipSync(Buffer.from(contents.source.slice("data:;base64,".length), "base64")).toString();
  if (!contents.source.startsWith("data:,")) throw new Error(`not in the configuration: ${contents.source}`);
  return decodeURIComponent(contents.source.slice("data:,".length));
}

export function fileAt(text: string, path: string): IgnitionFileJson | undefined {
  return parse(text).storage?.files?.find((file) => file.path === path);
}
