/** The rehearsal's own PULUMI_HOME: stand-ins under the versions the program asks for, beside the real plugins of the user's. */
import { lstat, mkdir, readFile, readdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
/** Cloud -> where its stand-in is. */
const standIns = { aws: "clouds/aws", tailscale: "clouds/tailscale/plugin" };

/**
 * @param home where it is made, again each time: versions change
 * @param real the PULUMI_HOME with real plugins; it need not exist
 */
export async function makePulumiHome(home: string, real: string): Promise<void> {
  const plugins = join(home, "plugins");
  await mkdir(plugins, { recursive: true, mode: 0o700 });
  for (const name of await readdir(join(real, "plugins")).catch(() => [])) {
    await link(join(real, "plugins", name), join(plugins, name));
  }
  for (const [cloud, place] of Object.entries(standIns)) {
    const folder = join(plugins, `resource-${cloud}-v${await versionOf(cloud)}`);
    // A real one of this version may just have been linked: nothing is written through that link.
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    const program = `pulumi-resource-${cloud}`;
    await symlink(join(here, place, program), join(folder, program));
  }
}

/** Of the SDK the program imports: the engine asks for the plugin of exactly that version. */
async function versionOf(cloud: string): Promise<string> {
  const file = join(here, "..", "node_modules", "@pulumi", cloud, "package.json");
  return (JSON.parse(await readFile(file, "utf8")) as { readonly version: string }).version;
}

async function link(target: string, path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) await symlink(target, path);
}
