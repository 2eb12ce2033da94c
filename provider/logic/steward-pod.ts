/** Podman's arguments for a steward node, as images/steward/README.md asks for them. */
import type { z } from "zod";
import type { stewardNodeInputs } from "../schema/resources.ts";
import { objectNames } from "./ownership.ts";

type Settings = z.output<typeof stewardNodeInputs>;

/** The steward stops its children in order before it ends. */
const STOP_SECONDS = 60;

function labels(inputs: Settings): string[] {
  return [
    ...["--label", `homespan.cluster=${inputs.clusterName}`],
    ...["--label", `homespan.node=${inputs.nodeName}`],
  ];
}

/** `podman pod create ...`: the pod owns the node's network namespace. */
export function podCreateArguments(inputs: Settings): readonly string[] {
  const { clusterName, nodeName } = inputs;
  return [
    ...["pod", "create", "--name", objectNames.pod(clusterName, nodeName)],
    ...["--infra-name", objectNames.infra(clusterName, nodeName), "--hostname", nodeName],
    ...["--network", inputs.networkName, ...labels(inputs)],
    ...Object.entries(inputs.hostAliases).flatMap(([host, address]) => ["--add-host", `${host}:${address}`]),
    ...inputs.publish.flatMap((port) => [
      "--publish",
      `127.0.0.1:${String(port.hostPort)}:${String(port.containerPort)}`,
    ]),
  ];
}

/** `podman run ...` for the steward inside that pod. */
export function stewardRunArguments(inputs: Settings): readonly string[] {
  const { clusterName, nodeName } = inputs;
  return [
    ...["run", "--detach", "--name", objectNames.steward(clusterName, nodeName)],
    ...["--pod", objectNames.pod(clusterName, nodeName), ...labels(inputs), "--restart=always"],
    ...(inputs.stewardRevision === undefined
      ? []
      : ["--label", `homespan.steward-revision=${inputs.stewardRevision}`]),
    ...["--stop-timeout", String(STOP_SECONDS), "--security-opt=label=disable", ...inputs.podmanFlags],
    ...["--volume", `${inputs.volumeName}:/data`, "--volume", `${inputs.socketDirectory}:/run/homespan`],
    inputs.stewardImage,
  ];
}
