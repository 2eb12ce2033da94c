/** The daemon's files: what it was started for, and where it answers. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

const port = z.number().int().min(1).max(65535);

const controlSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("tailscale") }),
  z.strictObject({
    kind: z.literal("headscale"),
    /** Name it has in its URL, and in its certificate. */
    host: z.string().min(1),
    /** Whether machines trust its certificate by themselves, as one of a public CA, or are told its CA by the stack. */
    trusted: z.boolean(),
  }),
]);
/** Whose control server the rehearsal's Headscale plays: Tailscale's, or one that the stack's user runs. */
export type ControlOrder = z.output<typeof controlSchema>;

const ordersSchema = z.strictObject({
  /** MagicDNS suffix of the tailnet. */
  domain: z.string().min(1),
  control: controlSchema.default({ kind: "tailscale" }),
  /** Folder for what is made once for all rehearsals. */
  cache: z.string().min(1),
  arch: z.enum(["amd64", "arm64"]),
  programs: z
    .strictObject({
      k3s: z.strictObject({ path: z.string(), version: z.string() }),
      tailscale: z.strictObject({ path: z.string(), version: z.string() }),
      tailscaled: z.strictObject({ path: z.string(), version: z.string() }),
      /** The S3 service; without it buckets hold nothing. */
      versitygw: z.strictObject({ path: z.string(), version: z.string() }).optional(),
    })
    .optional(),
});
/** What a daemon is to do. Another order makes another daemon. */
export type Orders = z.output<typeof ordersSchema>;
export type GivenOrders = z.input<typeof ordersSchema>;

/** Whether the control server's certificate is as good as one of a public CA. */
export function isTrusted(control: ControlOrder): boolean {
  return control.kind === "tailscale" || control.trusted;
}

/** Whether a daemon with one order does what the other wants, however each was written. */
export function sameOrders(one: GivenOrders, other: GivenOrders): boolean {
  const written = (orders: GivenOrders): unknown => ordersSchema.parse(JSON.parse(asText(orders)));
  return isDeepStrictEqual(written(one), written(other));
}

const stateSchema = z.strictObject({
  pid: z.number().int(),
  /** `http://127.0.0.1:PORT`: TAILSCALE_BASE_URL. */
  apiUrl: z.string(),
  /** `http://127.0.0.1:PORT`: HTTPS_PROXY. */
  proxyUrl: z.string(),
  /** `http://<address in the machines' network>:PORT`; "" where there is nothing to mirror. */
  mirrorUrl: z.string(),
  /** TAILSCALE_API_KEY. */
  apiKey: z.string(),
  oauthClientId: z.string(),
  oauthClientSecret: z.string(),
  /** HEADSCALE_API_KEY; "" where the control server is Tailscale's. */
  headscaleKey: z.string().default(""),
  /** PEM file of the authority of the control server's certificate. */
  caFile: z.string(),
  /** What HOMESPAN_ARTIFACTS names; "" where there is nothing to mirror. */
  artifactsFile: z.string(),
  /** Names of the internet that the rehearsal plays, and the address that plays them. */
  hosts: z.record(z.string(), z.string()),
  ports: z.strictObject({ api: port, proxy: port, mirror: port.optional() }),
  orders: ordersSchema,
});
/** Where a daemon answers. */
export type DaemonState = z.output<typeof stateSchema>;

/** Names of the files in the rehearsal's folder. */
export const daemonFiles = (folder: string) => ({
  orders: join(folder, "daemon-orders.json"),
  state: join(folder, "daemon.json"),
  process: join(folder, "daemon-process.json"),
  ports: join(folder, "daemon-ports.json"),
  log: join(folder, "daemon.log"),
  lock: join(folder, "daemon.lock"),
  caFile: join(folder, "ca.pem"),
  artifacts: join(folder, "artifacts.json"),
  account: join(folder, "tailscale.json"),
  controlServer: join(folder, "control-server.json"),
  headscaleKey: join(folder, "headscale-key"),
});

const processSchema = z.strictObject({
  pid: z.number().int(),
  /** When the process started, in the kernel's unit: its id may meanwhile be another's. */
  startTime: z.string().optional(),
});
export type DaemonProcess = z.output<typeof processSchema>;

const portsSchema = z.record(z.string(), port);

export async function readState(folder: string): Promise<DaemonState | undefined> {
  return read(daemonFiles(folder).state, stateSchema);
}

/** Written by the daemon before all else, so that one that is still starting is found too. */
export async function readProcess(folder: string): Promise<DaemonProcess | undefined> {
  return read(daemonFiles(folder).process, processSchema);
}

export async function readOrders(folder: string): Promise<Orders | undefined> {
  return read(daemonFiles(folder).orders, ordersSchema);
}

/** The ports of a former daemon: what was told them finds the next one there. */
export async function readPorts(folder: string): Promise<Readonly<Record<string, number>>> {
  return (await read(daemonFiles(folder).ports, portsSchema)) ?? {};
}

/** Puts a file in place in one step. */
export async function writeFileWhole(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.draft`, content, { mode: 0o600 });
  await rename(`${file}.draft`, file);
}

export function asText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The daemon is gone. */
export async function removeState(folder: string): Promise<void> {
  await rm(daemonFiles(folder).state, { force: true });
  await rm(daemonFiles(folder).process, { force: true });
}

/** `undefined` for a file that is missing, or that another version wrote. */
async function read<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
