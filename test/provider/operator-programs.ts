/** Stand-ins for `tailscaled` and `tailscale`: programs that keep their state where the real ones do. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Run, runProcess } from "../../provider/effects/process.ts";

const TAILSCALED = `#!/bin/sh
for word; do
  case $word in --statedir=*) directory=\${word#*=} ;; esac
done
echo "2026/11/21 12:00:00 started"
env >"$directory/environment"
if [ -e "$directory/broken" ]; then
  echo "2026/11/21 12:00:01 wgengine.New: no entropy" >&2
  exit 1
fi
: >"$directory/tailscaled.sock"
trap 'exit 0' TERM
while :; do sleep 0.02; done
`;

const TAILSCALE = `#!/bin/sh
directory=\${1#--socket=}
directory=\${directory%/*}
verb=$2
shift 2
[ -e "$directory/tailscaled.sock" ] || { echo "failed to connect to local tailscaled" >&2; exit 1; }
state=$directory/tailscaled.state
case $verb in
status)
  if [ -e "$state" ]; then
    echo '{"BackendState": "Running", "HaveNodeKey": true, "Self": {"ID": "7"}, "Health": null,'
    echo '"CurrentTailnet": {"MagicDNSSuffix": "tailnet.example.com", "MagicDNSEnabled": true}}'
  else
    echo '{"BackendState": "NeedsLogin", "Self": {"ID": ""}, "Health": ["Tailscale is stopped."]}'
  fi
  ;;
up)
  echo "$*" >>"$directory/up.log"
  key=good
  case $* in
  *--auth-key=file:/dev/stdin*)
    key=$(cat /dev/stdin)
    ;;
  esac
  case $key in
  good) : >"$state" ;;
  slow) echo "timeout waiting for Tailscale service to enter a Running state" >&2 && exit 1 ;;
  *) printf 'backend error: invalid pre auth key\\n\\n' >&2 && exit 1 ;;
  esac
  ;;
logout) rm -f "$state" && : >"$directory/../logged-out" ;;
esac
`;

/** Puts the programs into a folder; returns how to run what is in it. */
export async function operatorPrograms(folder: string): Promise<Run> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries({ tailscaled: TAILSCALED, tailscale: TAILSCALE })) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  }
  const own = (word: string): string => (word === "tailscale" ? join(folder, word) : word);
  return (program, args, options) =>
    program === "sh"
      ? runProcess(program, args.map(own), options)
      : runProcess(join(folder, program), args, options);
}
