/** Inputs and outputs of the image registry of a cluster on this machine. */
import { z } from "zod";
import { nameSchema } from "./common.ts";

/** An image registry in a container, published on 127.0.0.1. */
export const registryServerInputs = z.strictObject({
  clusterName: nameSchema,
  networkName: z.string(),
  /** Address inside that network, fixed so that nodes find it again after it was re-created. */
  address: z.ipv4(),
  hostPort: z.number().int().min(1).max(65535),
  image: z.string(),
  /** config.yml, rendered. */
  config: z.string(),
});
export const registryServerOutputs = registryServerInputs.extend({
  container: z.string(),
  volume: z.string(),
  /** `http://10.90.0.11:5000`, for the nodes. */
  endpoint: z.string(),
  /** False when `read` found the container stopped or gone. */
  running: z.boolean(),
});
