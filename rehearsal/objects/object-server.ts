/** The S3 service of a rehearsed cloud: versitygw in a container, under the names of AWS's own. What it keeps is in files. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { clusterObjectName } from "../../components/render/names.ts";
import { images } from "../../components/upstream/images.ts";
import { type Authority, makeAuthority, makeLeaf } from "../../provider/effects/certificates.ts";
import type { Effects } from "../../provider/effects/effects.ts";
import { CLUSTER_LABEL } from "../../provider/effects/podman.ts";
import { removeContainer } from "../../provider/effects/removal.ts";
import { waitFor } from "../../provider/effects/wait.ts";
import { fixedAddress } from "../../provider/logic/fixed-address.ts";
import { ownObject } from "../../provider/logic/ownership.ts";
import { objectFiles, serviceName } from "./files.ts";

const START_SECONDS = 30;
/** Which way of running it a container was made for. */
const WAY_LABEL = "homespan.way";

export interface ObjectServerOptions {
  readonly effects: Pick<Effects, "podman" | "clock">;
  /** Of the rehearsal. */
  readonly folder: string;
  readonly world: string;
  readonly region: string;
  /** Where it stands, and its address there. */
  readonly network: string;
  readonly address: string;
  /** Path of versitygw. */
  readonly program: string;
}

/** Runs it, or finds it running. Returns the certificate of its authority. */
export async function ensureObjectServer(options: ObjectServerOptions, signal: AbortSignal): Promise<string> {
  const { effects, folder, world, region, network, address, program } = options;
  const { podman } = effects;
  const files = objectFiles(folder);
  for (const place of [files.data, files.meta, files.keys, files.tls])
    await mkdir(place, { recursive: true, mode: 0o700 });
  const authority = await certificates(options);
  const name = clusterObjectName(world, "objects");
  const environment = join(files.root, "environment");
  const args = [
    ...["--network", fixedAddress(network, address), "--restart=always"],
    ...["--volume", `${files.root}:/objects`, "--volume", `${program}:/versitygw:ro`],
    ...["--env-file", environment, "--entrypoint", "/versitygw", images.headscale],
    ...["--port", ":443", "--cert", "/objects/tls/server.crt", "--key", "/objects/tls/server.key"],
    ...["--region", region, "--virtual-domain", serviceName(region)],
    ...["--iam-dir", "/objects/keys", "--iam-cache-disable", "--health", "/health", "--quiet"],
    ...["posix", "--sidecar", "/objects/meta", "/objects/data"],
  ];
  const way = createHash("sha256").update(args.join(" ")).digest("hex").slice(0, 12);
  const found = ownObject("container", await podman.list("containers"), name, world);
  if (found?.running !== true || found.labels[WAY_LABEL] !== way) {
    await removeContainer(podman, world, name);
    // The service's own account, which no one uses: buckets are opened by the keys of the books.
    const secret = randomBytes(24).toString("hex");
    await writeFile(environment, `ROOT_ACCESS_KEY=rehearsal\nROOT_SECRET_KEY=${secret}\n`, { mode: 0o600 });
    const labels = ["--label", `${CLUSTER_LABEL}=${world}`, "--label", `${WAY_LABEL}=${way}`];
    // Any image will do for a program that is one file.
    await podman.command(["run", "--detach", "--name", name, ...labels, ...args]);
  }
  const up = await waitFor(async () => ((await answers(address, authority)) ? true : undefined), {
    seconds: START_SECONDS,
    signal,
    clock: effects.clock,
    firstMilliseconds: 50,
    maximumMilliseconds: 250,
  });
  if (up === undefined) {
    const log = await podman.lastWords(name);
    throw new Error(`the S3 service did not start within ${String(START_SECONDS)} s: ${log}`);
  }
  await writeFile(files.service, JSON.stringify({ address, region }), { mode: 0o600 });
  return authority;
}

/** Made once for a rehearsal: machines trust the authority. */
async function certificates({
  effects,
  folder,
  world,
  region,
  address,
}: ObjectServerOptions): Promise<string> {
  const { tls } = objectFiles(folder);
  const known = await readFile(join(tls, "ca.crt"), "utf8").catch(() => "");
  if (known !== "") return known;
  const now = effects.clock.now();
  const authority = await makeAuthority(`Homespan ${world} S3`, now);
  const own = serviceName(region);
  const usual = `s3.${region}.amazonaws.com`;
  const leaf = await makeLeaf(authority, own, address, now, [`*.${own}`, usual, `*.${usual}`]);
  const write = async (name: string, made: Authority): Promise<void> => {
    await writeFile(join(tls, `${name}.key`), made.key, { mode: 0o600 });
    await writeFile(join(tls, `${name}.crt`), made.certificate, { mode: 0o600 });
  };
  await write("server", leaf);
  // Last: it says that all are there.
  await write("ca", authority);
  return authority.certificate;
}

function answers(address: string, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ host: address, path: "/health", ca, timeout: 2000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    sent.on("timeout", () => sent.destroy());
    sent.on("error", () => {
      resolve(false);
    });
    sent.end();
  });
}
