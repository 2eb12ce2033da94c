/** Pin of the image registry, for machines that reach none: its image is made of this program, when a stack has a registry. */
import { ALL, GITHUB, LINUX, perPlatform } from "./pin-types.ts";
import type { ToolPin } from "./pin-types.ts";

/** The tag of the image in components/upstream/images.ts. */
const VERSION = "3.1.2";

const MODULE = "github.com/distribution/distribution/v3";

export const registry: ToolPin = {
  name: "registry",
  group: "registry",
  purpose: "the image registry of a cluster",
  use: "image",
  links: {},
  download: {
    version: VERSION,
    archive: "tar.gz",
    files: { registry: "registry" },
    platforms: perPlatform(LINUX, (os, arch) => {
      const url = `${GITHUB}/distribution/distribution/releases/download/v${VERSION}/registry_${VERSION}_${os}_${arch}.tar.gz`;
      return { url, sums: `${url}.sha256` };
    }),
  },
  modules: {
    version: VERSION,
    sets: [
      {
        workspace: "registry",
        base: { kind: "fresh", get: [`${MODULE}@v${VERSION}`] },
        builds: [{ package: `${MODULE}/cmd/registry`, output: "registry" }],
        ldflags: `-X ${MODULE}/version.version=v${VERSION}`,
      },
    ],
    platforms: ALL,
    expectedSeconds: 170,
    cacheGiB: 2,
  },
};
