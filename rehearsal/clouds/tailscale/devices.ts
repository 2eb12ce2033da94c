/** Devices of the stand-in for Tailscale's API. https://tailscale.com/api#tag/devices */
import { ACCOUNT_USER } from "./account.ts";
import type { Control, ControlDevice } from "./control.ts";
import { ApiError, type ApiRequest, type ApiResponse, allowQuery, json } from "./http.ts";
import { seconds } from "./keys.ts";

export interface DeviceContext {
  readonly control: Control;
  /** MagicDNS suffix of the tailnet. */
  readonly domain: string;
}

export async function listDevices(
  { control, domain }: DeviceContext,
  request: ApiRequest,
): Promise<ApiResponse> {
  allowFields(request);
  return json({ devices: (await control.devices()).map((device) => shown(device, domain)) });
}

export async function getDevice(
  context: DeviceContext,
  request: ApiRequest,
  id: string,
): Promise<ApiResponse> {
  allowFields(request);
  return json(shown(await find(context.control, id), context.domain));
}

export async function removeDevice({ control }: DeviceContext, id: string): Promise<ApiResponse> {
  await control.removeDevice((await find(control, id)).id);
  return json(null);
}

function allowFields({ query }: ApiRequest): void {
  allowQuery(query, "fields");
  const fields = query.get("fields") ?? "default";
  if (fields !== "default" && fields !== "all")
    throw new ApiError(400, `invalid fields ${JSON.stringify(fields)}`);
}

/** By its id or its nodeId, which are the same. */
async function find(control: Control, id: string): Promise<ControlDevice> {
  const device = (await control.devices()).find((one) => nodeId(one) === id);
  if (device === undefined) throw new ApiError(404, "no manageable device matching nodeid found");
  return device;
}

/** What the device itself is told to be (`tailscale status`), as with Tailscale; there `nXXXXCNTRL`, here Headscale's number. */
function nodeId({ id }: ControlDevice): string {
  return id;
}

function shown(device: ControlDevice, domain: string): Record<string, unknown> {
  const tagged = device.tags.length > 0;
  return {
    addresses: device.addresses,
    name: `${device.givenName}.${domain}`,
    id: device.id,
    nodeId: nodeId(device),
    authorized: true,
    user: ACCOUNT_USER,
    ...(tagged ? { tags: device.tags } : {}),
    // As Tailscale sets it for tagged devices; those of Headscale have no end either.
    keyExpiryDisabled: tagged,
    blocksIncomingConnections: false,
    clientVersion: "",
    created: seconds(device.createdAt),
    expires: device.expiresAt === 0 ? "0001-01-01T00:00:00Z" : seconds(device.expiresAt),
    hostname: device.hostName,
    isEphemeral: device.ephemeral,
    isExternal: false,
    connectedToControl: device.online,
    ...(device.online ? {} : { lastSeen: seconds(device.lastSeenAt) }),
    machineKey: device.machineKey,
    nodeKey: device.nodeKey,
    os: "linux",
    updateAvailable: false,
  };
}
