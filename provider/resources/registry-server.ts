/** An image registry in a container; what was pushed is on its data volume. */
import { registryPaths, registryPort } from "../../components/upstream/registry.ts";
import type { Effects } from "../effects/effects.ts";
import { CLUSTER_LABEL } from "../effects/podman.ts";
import { removeContainer, removeVolume } from "../effects/removal.ts";
import { fillVolume } from "../effects/volume-files.ts";
import { waitFor } from "../effects/wait.ts";
import { fixedAddress } from "../logic/fixed-address.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import { registryServerInputs, registryServerOutputs } from "../schema/registry.ts";
import { type CallContext, resource } from "../server/resource.ts";
import type { z } from "zod";

const START_SECONDS = 30;
const STOP_SECONDS = 3;

type Settings = z.output<typeof registryServerInputs>;

export function registryServer({
  podman,
  registries,
  clock,
}: Pick<Effects, "podman" | "registries" | "clock">) {
  const start = async (inputs: Settings, container: string, context: CallContext): Promise<void> => {
    await podman.command(["start", container]);
    const seconds = context.timeoutSeconds > 0 ? context.timeoutSeconds : START_SECONDS;
    const up = await waitFor(async () => ((await registries.answer(inputs.hostPort)) ? true : undefined), {
      ...{ seconds, signal: context.signal, clock, firstMilliseconds: 100, maximumMilliseconds: 500 },
    });
    if (up !== undefined) return;
    const log = await podman.lastWords(container);
    throw new Error(
      `the image registry did not answer on 127.0.0.1:${String(inputs.hostPort)} within ${String(seconds)} s: ${log}`,
    );
  };

  const build = async (inputs: Settings, context: CallContext) => {
    const { clusterName, networkName, address, hostPort, image, config } = inputs;
    const container = objectNames.registry(clusterName);
    const volume = objectNames.registryVolume(clusterName);
    const label = `${CLUSTER_LABEL}=${clusterName}`;
    await removeContainer(podman, clusterName, container, STOP_SECONDS);
    if (ownObject("volume", await podman.list("volumes"), volume, clusterName) === undefined) {
      await podman.command(["volume", "create", "--label", label, volume]);
    }
    const file = registryPaths.config.replace(`${registryPaths.data}/`, "");
    await fillVolume(podman, volume, [{ path: file, content: config, mode: 0o644 }]);
    await podman.command([
      ...["create", "--name", container, "--label", label, "--restart=always"],
      ...["--network", fixedAddress(networkName, address)],
      ...["--publish", `127.0.0.1:${String(hostPort)}:${String(registryPort)}`],
      // It would look for a collector of traces, and log that there is none.
      ...["--env", "OTEL_TRACES_EXPORTER=none"],
      ...["--volume", `${volume}:${registryPaths.data}`, image, "serve", registryPaths.config],
    ]);
    await start(inputs, container, context);
    const endpoint = `http://${address}:${String(registryPort)}`;
    return { ...inputs, container, volume, endpoint, running: true };
  };

  return resource({
    type: "homespan:index:RegistryServer",
    inputs: registryServerInputs,
    outputs: registryServerOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName"],
    createOnly: [],
    drift: (state) => (state.running ? [] : ["running"]),
    async create(inputs, context) {
      const outputs = await build(inputs, context);
      return { id: outputs.container, outputs };
    },
    async read(state) {
      const [containers, volumes] = await Promise.all([podman.list("containers"), podman.list("volumes")]);
      const container = ownObject("container", containers, state.container, state.clusterName);
      const volume = ownObject("volume", volumes, state.volume, state.clusterName);
      // Made anew, it is as good as it was before anything was pushed.
      if (volume === undefined && container === undefined) return undefined;
      return { ...state, running: volume !== undefined && (container?.running ?? false) };
    },
    // What was pushed stays on the volume, so a new container is the simplest way to apply anything.
    update: (_state, inputs, context) => build(inputs, context),
    async delete(state) {
      await removeContainer(podman, state.clusterName, state.container);
      await removeVolume(podman, state.clusterName, state.volume);
    },
  });
}
