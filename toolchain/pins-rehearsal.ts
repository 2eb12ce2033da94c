/** Pins of what plays a cloud in a rehearsal. */
import { ALL, GITHUB, LINUX, perPlatform } from "./pin-types.ts";
import type { ToolPin } from "./pin-types.ts";

const VERSITYGW = "1.8.0";
/** Its .goreleaser.yaml names the files. */
const release = `${GITHUB}/versity/versitygw/releases/download/v${VERSITYGW}`;
const kernelName = (arch: string): string => (arch === "amd64" ? "x86_64" : arch);

const versitygw: ToolPin = {
  name: "versitygw",
  group: "rehearsal",
  purpose: "the S3 service of a rehearsed cloud",
  use: "host",
  links: {},
  download: {
    version: VERSITYGW,
    archive: "tar.gz",
    files: { [`versitygw_v${VERSITYGW}_Linux_{kernel}/versitygw`]: "versitygw" },
    platforms: perPlatform(LINUX, (_os, arch) => ({
      url: `${release}/versitygw_v${VERSITYGW}_Linux_${kernelName(arch)}.tar.gz`,
      sums: `${release}/checksums.txt`,
    })),
  },
  modules: {
    version: VERSITYGW,
    sets: [
      {
        workspace: "versitygw",
        base: { kind: "fresh", get: [`github.com/versity/versitygw@v${VERSITYGW}`] },
        builds: [{ package: "github.com/versity/versitygw/cmd/versitygw", output: "versitygw" }],
        ldflags: `-X main.Version=v${VERSITYGW}`,
      },
    ],
    platforms: ALL,
    expectedSeconds: 270,
    cacheGiB: 1.5,
  },
};

export const rehearsalPins: readonly ToolPin[] = [versitygw];
