/** Configurations Ignition takes, made up: for properties here and for the real programs. */
import fc from "fast-check";
import type { IgnitionConfig } from "../../components/render/ignition.ts";

const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/);
/** Any text, with what escapes wrongly somewhere. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom("%", "%41", "+", " ", ",", ";base64,", "\0", "\r\n", "é", "🚀", "'", '"', "\\"),
      fc.string(),
    ),
  )
  .map((parts) => parts.join(""))
  .filter((joined) => joined.isWellFormed());
const download = fc.record({
  url: word.map((name) => `https://mirror.example.org/${name}%2B1?x=y`),
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
});
const mode = fc.integer({ min: 0, max: 0o777 });

function different<T>(arbitrary: fc.Arbitrary<T>, by: (value: T) => string): fc.Arbitrary<T[]> {
  return fc.uniqueArray(arbitrary, { selector: by, maxLength: 5 });
}

const files = different(
  fc.record({
    path: word.map((name) => `/etc/files/${name}`),
    mode,
    contents: fc.oneof(text, download),
    overwrite: fc.boolean(),
  }),
  ({ path }) => path,
);
const links = different(
  fc.record({ path: word.map((name) => `/etc/links/${name}`), target: word.map((name) => `../${name}`) }),
  ({ path }) => path,
);
const directories = different(
  fc.record({ path: word.map((name) => `/var/directories/${name}`), mode }),
  ({ path }) => path,
);
const units = different(
  fc.record(
    {
      name: word.map((name) => `${name}.service`),
      enabled: fc.boolean(),
      contents: word.map(
        (name) =>
          `[Unit]\nDescription=${name}\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n`,
      ),
      dropIns: fc.dictionary(
        word.map((name) => `${name}.conf`),
        fc.constant("[Unit]\nStartLimitBurst=1\n"),
        {
          maxKeys: 2,
          noNullPrototype: true,
        },
      ),
    },
    { requiredKeys: ["name"] },
  ),
  ({ name }) => name,
);
const users = different(
  fc.record({
    name: word,
    sshAuthorizedKeys: fc.uniqueArray(
      word.map((name) => `ssh-ed25519 AAAA ${name}`),
      { maxLength: 3 },
    ),
  }),
  ({ name }) => name,
);
const filesystems = different(
  fc.record({
    device: word.map((name) => `/dev/disk/by-id/${name}`),
    format: fc.constantFrom("ext4" as const, "xfs" as const),
    label: word,
  }),
  ({ device }) => device,
);
const disks = different(
  fc.record({
    device: word.map((name) => `/dev/disk/by-path/${name}`),
    partitions: different(
      fc.record({ label: word, sizeMiB: fc.integer({ min: 1, max: 9000 }), resize: fc.boolean() }),
      ({ label }) => label,
    ).map((partitions) => partitions.map((partition, index) => ({ ...partition, number: index + 1 }))),
  }),
  ({ device }) => device,
);

/** Whatever a machine may be given. */
export const ignitionConfig: fc.Arbitrary<IgnitionConfig> = fc.record({
  users,
  disks,
  filesystems,
  directories,
  files,
  links,
  units,
});
