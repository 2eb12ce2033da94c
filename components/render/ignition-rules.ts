/** What Ignition would refuse on the machine, where nobody sees it: refused here, all problems at once. */
import type {
  IgnitionConfig,
  IgnitionDisk,
  IgnitionFile,
  IgnitionFilesystem,
  IgnitionUnit,
} from "./ignition.ts";

/** One that does not hold: the field, what it must, and what it is. */
interface Problem {
  readonly field: string;
  readonly must: string;
  readonly got: unknown;
}

/** https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html */
const unitName =
  /^[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;
/** https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html: 36 UTF-16 units; Ignition forbids the colon. */
const partitionLabel = /^[\x21-\x39\x3b-\x7e]{1,36}$/;
/** What the file systems hold: https://man7.org/linux/man-pages/man8/mke2fs.8.html, .../mkfs.xfs.8.html */
const labelBytes = { ext4: 16, xfs: 12 };

/** @throws RangeError with every problem, one per line */
export function checkIgnition(config: IgnitionConfig): void {
  const problems = [
    ...(config.users ?? []).flatMap(({ name, sshAuthorizedKeys }, index) => [
      ...userName(`users[${index}].name`, name),
      ...sshAuthorizedKeys.flatMap((key, at) => oneLine(`users[${index}].sshAuthorizedKeys[${at}]`, key)),
    ]),
    ...(config.disks ?? []).flatMap(disk),
    ...(config.filesystems ?? []).flatMap(filesystem),
    ...(config.directories ?? []).flatMap(({ path, mode }, index) => [
      ...absolute(`directories[${index}].path`, path),
      ...fileMode(`directories[${index}].mode`, mode),
    ]),
    ...(config.files ?? []).flatMap(file),
    ...(config.links ?? []).flatMap(({ path, target }, index) => [
      ...absolute(`links[${index}].path`, path),
      ...rule(`links[${index}].target`, target !== "" && !hasControl(target), "be a path", target),
    ]),
    ...(config.units ?? []).flatMap(unit),
    ...unique("path", pathsOf(config)),
    ...belowLinks(config),
    ...unique(
      "units.name",
      (config.units ?? []).map(({ name }) => name),
    ),
    ...unique(
      "users.name",
      (config.users ?? []).map(({ name }) => name),
    ),
    ...unique(
      "filesystems.device",
      (config.filesystems ?? []).map(({ device }) => device),
    ),
    ...unique(
      "disks.device",
      (config.disks ?? []).map(({ device }) => device),
    ),
  ];
  if (problems.length === 0) return;
  throw new RangeError(
    problems
      .map(({ field, must, got }) => `\`${field}\` must ${must}, got ${JSON.stringify(got)}`)
      .join("\n"),
  );
}

function disk({ device, partitions }: IgnitionDisk, index: number): Problem[] {
  const field = `disks[${index}]`;
  const rest = partitions.filter(({ sizeMiB }) => sizeMiB === undefined).length;
  return [
    ...absolute(`${field}.device`, device),
    ...partitions.flatMap(({ label, number, sizeMiB }, at) => [
      ...rule(
        `${field}.partitions[${at}].label`,
        partitionLabel.test(label),
        "be 1 to 36 characters without a colon",
        label,
      ),
      ...rule(`${field}.partitions[${at}].number`, isWhole(number, 1), "be 1 or more", number),
      ...rule(
        `${field}.partitions[${at}].sizeMiB`,
        sizeMiB === undefined || isWhole(sizeMiB, 1),
        "be a whole number of MiB",
        sizeMiB,
      ),
    ]),
    ...rule(`${field}.partitions`, rest <= 1, "have at most one without a size, which takes the rest", rest),
    ...unique(
      `${field}.partitions.label`,
      partitions.map(({ label }) => label),
    ),
    ...unique(
      `${field}.partitions.number`,
      partitions.map(({ number }) => String(number)),
    ),
  ];
}

function filesystem({ device, format, label, path }: IgnitionFilesystem, index: number): Problem[] {
  const field = `filesystems[${index}]`;
  const size = labelBytes[format];
  return [
    ...absolute(`${field}.device`, device),
    ...(path === undefined ? [] : absolute(`${field}.path`, path)),
    ...rule(
      `${field}.label`,
      new RegExp(`^[\\x21-\\x7e]{1,${size}}$`).test(label),
      `be 1 to ${size} characters for ${format}`,
      label,
    ),
  ];
}

function file({ path, mode, contents }: IgnitionFile, index: number): Problem[] {
  const field = `files[${index}]`;
  const where =
    typeof contents === "string"
      ? // A lone half of a character has no bytes.
        rule(`${field}.contents`, contents.isWellFormed(), "be text", path)
      : [
          ...rule(
            `${field}.contents.url`,
            /^https?:\/\/[^\s\p{Cc}]+$/u.test(contents.url) && URL.canParse(contents.url),
            "be http:// or https:// without spaces",
            contents.url,
          ),
          ...rule(
            `${field}.contents.sha256`,
            /^[0-9a-f]{64}$/.test(contents.sha256),
            "be 64 lower-case hexadecimal digits",
            contents.sha256,
          ),
        ];
  return [...absolute(`${field}.path`, path), ...fileMode(`${field}.mode`, mode), ...where];
}

function unit({ name, mask, enabled, contents, dropIns }: IgnitionUnit, index: number): Problem[] {
  const field = `units[${index}]`;
  const names = Object.keys(dropIns ?? {});
  return [
    ...rule(
      `${field}.name`,
      unitName.test(name) && name.length < 256,
      "be a unit's name with its suffix",
      name,
    ),
    ...rule(
      `${field}.mask`,
      mask !== true || (enabled !== true && contents === undefined && names.length === 0),
      "stand alone: a masked unit has no content and is not enabled",
      name,
    ),
    // Ignition takes it, and systemd forgets the unit at the next start.
    ...rule(
      `${field}.contents`,
      enabled !== true || contents === undefined || /^\[Install\]$/m.test(contents),
      "have an [Install] section to be enabled",
      name,
    ),
    ...names.flatMap((dropIn) =>
      rule(`${field}.dropIns`, /^[A-Za-z0-9_.-]+\.conf$/.test(dropIn), "be named *.conf", dropIn),
    ),
  ];
}

function rule(field: string, holds: boolean, must: string, got: unknown): Problem[] {
  return holds ? [] : [{ field, must, got }];
}

/** Absolute, and in the one form in which two paths can be compared. */
function absolute(field: string, path: string): Problem[] {
  const clean = path.startsWith("/") && path !== "/" && !/\/(\.{0,2})(\/|$)/.test(path) && !hasControl(path);
  return rule(
    field,
    clean && path.isWellFormed(),
    "be an absolute path without `..`, `.` and double slashes",
    path,
  );
}

function fileMode(field: string, mode: number): Problem[] {
  return rule(field, isWhole(mode, 0) && mode <= 0o7777, "be 0 to 0o7777", mode);
}

/** https://systemd.io/USER_NAMES: the strict form. */
function userName(field: string, name: string): Problem[] {
  return rule(field, /^[a-z_][a-z0-9_-]{0,30}$/.test(name), "be a user's name", name);
}

function oneLine(field: string, key: string): Problem[] {
  return rule(field, key !== "" && !hasControl(key), "be one line of authorized_keys", key);
}

function isWhole(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function unique(field: string, values: readonly string[]): Problem[] {
  const twice = new Set(values.filter((value, index) => values.indexOf(value) !== index));
  return [...twice].map((got) => ({ field, must: "be unique", got }));
}

function pathsOf({ directories = [], files = [], links = [] }: IgnitionConfig): string[] {
  return [...directories, ...files, ...links].map(({ path }) => path);
}

/** Ignition writes links last: what would lie below one, or below a file, has no place. */
function belowLinks(config: IgnitionConfig): Problem[] {
  const above = [...(config.links ?? []), ...(config.files ?? [])].map(({ path }) => `${path}/`);
  const lost = pathsOf(config).filter((path) => above.some((prefix) => path.startsWith(prefix)));
  return lost.map((got) => ({ field: "path", must: "not lie below a file or a link", got }));
}
