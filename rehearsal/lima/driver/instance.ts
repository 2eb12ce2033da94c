/** What the driver reads of an instance as Lima hands it over, and what it refuses. */
import { z } from "zod";

/** https://github.com/lima-vm/lima/blob/v2.2.0/pkg/limatype/lima_instance.go, its configuration with all defaults filled in. */
const schema = z.object({
  name: z.string().min(1),
  hostname: z.string().min(1),
  dir: z.string().startsWith("/"),
  arch: z.string(),
  sshLocalPort: z.number().int().min(0).max(65_535).default(0),
  config: z.object({
    vmType: z.literal("vz"),
    os: z.string(),
    plain: z.boolean(),
    mounts: z.array(z.unknown()).nullish(),
    additionalDisks: z.array(z.object({ name: z.string().min(1), format: z.boolean().nullish() })).nullish(),
    networks: z.array(z.object({ lima: z.string().nullish() })).nullish(),
  }),
});
export type Instance = z.output<typeof schema>;

const fillable = z.looseObject({
  config: z.looseObject({ mountType: z.string().nullish(), ssh: z.looseObject({}).nullish() }),
});

/** What vz fills in of a configuration, in the place of which Lima takes nothing. */
export function withDefaults(text: string): string {
  const instance = fillable.parse(JSON.parse(text));
  const { config } = instance;
  return JSON.stringify({
    ...instance,
    // There is no vsock here.
    config: {
      ...config,
      mountType: config.mountType ?? "virtiofs",
      ssh: { overVsock: false, ...config.ssh },
    },
  });
}

/** @throws Error naming what is missing */
export function readInstance(text: string): Instance {
  const read = schema.safeParse(JSON.parse(text));
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) => `\`${path.join(".")}\`: ${message}`);
  throw new Error(`the instance must be one of Lima 2.2, got ${problems.join("; ")}`);
}

/** @throws Error naming all that no rehearsal can play */
export function insistOnPlayable({ arch, config }: Instance): void {
  const disks = config.additionalDisks ?? [];
  const here = process.arch === "arm64" ? "aarch64" : "x86_64";
  const problems = [
    ...(config.os === "Linux" ? [] : [`\`os\` must be Linux in a rehearsal, got ${config.os}`]),
    ...(arch === here ? [] : [`\`arch\` must be ${here} in a rehearsal on this machine, got ${arch}`]),
    ...(config.plain ? [] : ["`plain` must be true in a rehearsal, got false"]),
    ...((config.mounts ?? []).length === 0 ? [] : ["`mounts` must be empty in a rehearsal"]),
    ...(disks.length <= 1
      ? []
      : [`\`additionalDisks\` must be at most one in a rehearsal, got ${disks.length}`]),
    ...(disks.every(({ format }) => format === false)
      ? []
      : ["`additionalDisks[0].format` must be false in a rehearsal"]),
  ];
  if (problems.length > 0) throw new Error(problems.join("; "));
}
