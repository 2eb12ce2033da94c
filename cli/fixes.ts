/** What a user can do about errors of the clouds and of machines at home, by what they say. Pure. */
import { moreWatchers } from "../toolchain/inotify.ts";

type Fix = readonly [said: RegExp, fix: (stack: string, found: RegExpExecArray) => string];

const fixes: readonly Fix[] = [
  [
    /InsufficientInstanceCapacity/,
    () => "set another `availabilityZone` or `bundleId` for the node, or run up again later",
  ],
  [
    /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded|\b429\b/,
    () => "wait a few minutes, then run up again: the account makes more calls than it may",
  ],
  [
    /Some names are already in use/,
    () =>
      "run up again: it takes over what a run that was cut off has made; what is somebody else's: delete it in the console, or choose another `clusterName`",
  ],
  [
    /reached the quota|LimitExceeded/,
    () => "ask AWS for a higher quota (https://console.aws.amazon.com/servicequotas), or set fewer nodes",
  ],
  [
    /No valid credential sources|UnauthenticatedException|UnrecognizedClient|ExpiredToken|InvalidSignature|security token/,
    (stack) => `give AWS credentials that are valid; ./homespan doctor ${stack} says which are looked for`,
  ],
  [/AccessDenied/, () => "the AWS user must be allowed lightsail:*"],
  [
    /API token invalid|\b401\b.*tailscale|tailscale.*\b401\b/i,
    () => "give a valid TAILSCALE_API_KEY: https://login.tailscale.com/admin/settings/keys",
  ],
  [
    /overwrite a non-default policy/,
    (stack) =>
      `set \`tailnet.policy: elsewhere\` and merge what ./homespan preview ${stack} prints then; or let the cluster's take its place, for the whole tailnet: \`tailnet.adopt: true\``,
  ],
  [
    /requested tags \[.*\] are invalid or not permitted/,
    (stack) =>
      `with \`tailnet.policy: elsewhere\` merge into the tailnet's policy what ./homespan preview ${stack} prints; an OAuth client must own these tags`,
  ],
  [
    /error waiting for request operation|timeout awaiting response headers/,
    () => "run up again: the answer was lost, and it finds out what was made",
  ],
  [
    /unknown stack "/,
    () =>
      "the stack whose cluster this one joins must be there: bring it up; where its cluster is gone for good: pulumi state delete the memberships of this one",
  ],
  [
    /(\S+) did not answer by SSH .* is installed with what/s,
    (stack, [, node = ""]) =>
      `./homespan ignition ${node} ${stack} --write ${node}.ign, then install it (docs/fedora-coreos.md), or leave it out until it is; then run up again`,
  ],
  [
    // Of libvirt's provider, which does not do as ssh and virsh do: libvirt/uri/ssh.go of terraform-provider-libvirt 0.8.3.
    /ssh: unable to authenticate|could not configure SSH authentication methods/,
    () =>
      "libvirt's provider tries the keys of an ssh-agent, or without SSH_AUTH_SOCK the first key file alone, whatever virsh tries: ssh-add the key that the host takes, or unset SSH_AUTH_SOCK (docs/libvirt.md)",
  ],
  [
    /inotify_init: too many open files/,
    () => `${moreWatchers} on the machine that the node is a container of`,
  ],
  [
    /was not ready by SSH within/,
    (stack) =>
      `./homespan doctor ${stack} says whether the machine answers; one that was never finished: ./homespan recreate ${stack} --node NODE`,
  ],
];

/** `undefined` where the words say all there is to say. */
export function fixFor(message: string, stack: string): string | undefined {
  for (const [said, fix] of fixes) {
    const found = said.exec(message);
    if (found !== null) return fix(stack, found);
  }
  return undefined;
}

/** An error of AWS in the service's own words, without the SDK's in front. */
export function serviceWords(message: string): string {
  const [line = ""] = message.split("\n");
  return line.replace(/^.*\bRequestID: [0-9a-f-]+, /, "");
}
