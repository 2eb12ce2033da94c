/** The toolchain's programs first on PATH, as `./homespan` has them. */
import { join } from "node:path";
import { cacheFolder } from "../../toolchain/folders.ts";

export const homespanTools = {
  PATH: `${join(cacheFolder(process.env), "bin")}:${process.env["PATH"] ?? ""}`,
};
