/** Headscale in a container, with TLS from an authority made for it; all it knows is on its data volume. */
import { headscalePaths } from "../../components/upstream/headscale.ts";
import { type ArchivedFile, readArchive } from "../effects/archive.ts";
import { type Authority, RENEW_DAYS, expiryOf, makeAuthority, makeLeaf } from "../effects/certificates.ts";
import type { Effects } from "../effects/effects.ts";
import { CLUSTER_LABEL } from "../effects/podman.ts";
import { removeContainer, removeVolume } from "../effects/removal.ts";
import { fillVolume } from "../effects/volume-files.ts";
import { waitFor } from "../effects/wait.ts";
import { fixedAddress } from "../logic/fixed-address.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import {
  type headscaleServerInputs as Inputs,
  headscaleServerInputs,
  headscaleServerOutputs,
} from "../schema/resources.ts";
import { type CallContext, resource } from "../server/resource.ts";
import type { z } from "zod";

const START_SECONDS = 60;
const STOP_SECONDS = 3;
const DAY = 24 * 3600 * 1000;
/** Mount point of the data volume. */
const DATA = "/var/lib/headscale";
/** Where `headscale` looks for config.yaml by itself: the volume is mounted here a second time. */
const CONFIG_DIRECTORY = "/etc/headscale";
const AUTHORITY_FILES = { certificate: "ca.crt", key: "ca.key" } as const;

type Settings = z.output<typeof Inputs>;

function belowData(path: string): string {
  return path.replace(`${DATA}/`, "");
}

export function headscaleServer({ podman, headscale, clock }: Effects) {
  /** A file of the volume, through a container that need not run; `undefined` when there is none. */
  const fileIn = async (container: string, path: string): Promise<string | undefined> => {
    try {
      const archive = await podman.command(["cp", `${container}:${DATA}/${path}`, "-"]);
      return (await readArchive(Buffer.from(archive))).get(path);
    } catch (error) {
      if (error instanceof Error && /could not be found|no such file/i.test(error.message)) return undefined;
      throw error;
    }
  };

  /** The authority lives as long as the volume: nodes trust it, so a new one is made for a new volume alone. */
  const authorityOn = async (container: string): Promise<Authority | undefined> => {
    const certificate = await fileIn(container, AUTHORITY_FILES.certificate);
    const key = await fileIn(container, AUTHORITY_FILES.key);
    // A run that was killed while it filled the volume may have left empty files.
    return !certificate || !key ? undefined : { certificate, key };
  };

  const fill = async (inputs: Settings, volume: string, authority: Authority, leaf: Authority) => {
    const files: ArchivedFile[] = [
      { path: "config.yaml", content: inputs.config, mode: 0o644 },
      { path: AUTHORITY_FILES.certificate, content: authority.certificate, mode: 0o644 },
      { path: AUTHORITY_FILES.key, content: authority.key, mode: 0o600 },
      { path: belowData(headscalePaths.certificate), content: leaf.certificate, mode: 0o644 },
      { path: belowData(headscalePaths.certificateKey), content: leaf.key, mode: 0o600 },
    ];
    await fillVolume(podman, volume, files);
  };

  const place = async (inputs: Settings, container: string, volume: string): Promise<void> => {
    await podman.command([
      ...["create", "--name", container, "--label", `${CLUSTER_LABEL}=${inputs.clusterName}`],
      ...["--network", fixedAddress(inputs.networkName, inputs.address), "--restart=always"],
      ...["--volume", `${volume}:${DATA}`],
      ...["--volume", `${volume}:${CONFIG_DIRECTORY}:ro`, inputs.image, "serve"],
    ]);
  };

  const start = async (inputs: Settings, container: string, context: CallContext): Promise<void> => {
    await podman.command(["start", container]);
    const seconds = context.timeoutSeconds > 0 ? context.timeoutSeconds : START_SECONDS;
    const ref = { kind: "headscale", container } as const;
    const address = { url: `https://${inputs.address}`, serverName: inputs.hostName };
    const up = await waitFor(
      async () =>
        (await headscale.open(ref, address)) && (await headscale.ensureUser(ref, inputs.user))
          ? true
          : undefined,
      { seconds, signal: context.signal, clock, firstMilliseconds: 100, maximumMilliseconds: 250 },
    );
    if (up === undefined) {
      const log = await podman.lastWords(container);
      throw new Error(`Headscale did not start within ${String(seconds)} s: ${log}`);
    }
  };

  const build = async (inputs: Settings, context: CallContext) => {
    const container = objectNames.headscale(inputs.clusterName);
    const volume = objectNames.headscaleVolume(inputs.clusterName);
    await removeContainer(podman, inputs.clusterName, container, STOP_SECONDS);
    const volumes = await podman.list("volumes");
    const kept = ownObject("volume", volumes, volume, inputs.clusterName) !== undefined;
    if (!kept) {
      const label = `${CLUSTER_LABEL}=${inputs.clusterName}`;
      await podman.command(["volume", "create", "--label", label, volume]);
    }
    const placing = place(inputs, container, volume);
    placing.catch(() => undefined);
    // A volume that was kept is read through the container.
    const known = kept ? await placing.then(() => authorityOn(container)) : undefined;
    const authority =
      known ?? (await makeAuthority(`Homespan ${inputs.clusterName} control server`, clock.now()));
    const leaf = await makeLeaf(authority, inputs.hostName, inputs.address, clock.now());
    await Promise.all([placing, fill(inputs, volume, authority, leaf)]);
    await start(inputs, container, context);
    return {
      ...inputs,
      container,
      volume,
      url: `https://${inputs.hostName}`,
      caCertificate: authority.certificate,
      certificateExpiresAt: new Date(expiryOf(leaf.certificate)).toISOString(),
      running: true,
    };
  };

  return resource({
    type: "homespan:index:HeadscaleServer",
    inputs: headscaleServerInputs,
    outputs: headscaleServerOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName"],
    createOnly: [],
    drift: (state) => [
      ...(state.running ? [] : ["running"]),
      ...(Date.parse(state.certificateExpiresAt) - clock.now() < RENEW_DAYS * DAY
        ? ["certificateExpiresAt"]
        : []),
    ],
    async create(inputs, context) {
      const outputs = await build(inputs, context);
      return { id: outputs.container, outputs };
    },
    async read(state) {
      const [containers, volumes] = await Promise.all([podman.list("containers"), podman.list("volumes")]);
      // Without the volume everything it knew is gone; without the container it starts again with what it knew.
      if (ownObject("volume", volumes, state.volume, state.clusterName) === undefined) return undefined;
      const container = ownObject("container", containers, state.container, state.clusterName);
      return { ...state, running: container?.running ?? false };
    },
    // The devices, keys and the authority stay on the volume, so a new container is the simplest way to apply anything.
    update: (_state, inputs, context) => build(inputs, context),
    async delete(state) {
      await removeContainer(podman, state.clusterName, state.container);
      await removeVolume(podman, state.clusterName, state.volume);
    },
  });
}
