/** A device in the rehearsed tailnet that is no node of the cluster: Tailscale's own client in a container. */
import { images } from "../../../components/upstream/images.ts";
import { PodmanProgram } from "../../../provider/effects/podman.ts";
import { runProcess } from "../../../provider/effects/process.ts";
import { ACCOUNT_USER } from "../../../rehearsal/clouds/tailscale/account.ts";
import { HeadscaleControl } from "../../../rehearsal/clouds/tailscale/control.ts";
import { readState } from "../../../rehearsal/daemon/state.ts";
import { run } from "./command.ts";
import { exec, podman, stateOf } from "./podman.ts";
import type { RehearsedStack } from "./rehearsal.ts";
import { eventually } from "./wait.ts";

/** The rehearsed tailnet's Headscale, whoever's part it plays. */
export function controlOf(stack: RehearsedStack): HeadscaleControl {
  const container = `homespan-${stack.world}-headscale`;
  return new HeadscaleControl(new PodmanProgram(runProcess), container, ACCOUNT_USER);
}

export class Guest {
  readonly name: string;
  readonly #control: HeadscaleControl;
  readonly #container: string;

  private constructor(stack: RehearsedStack, name: string) {
    this.#control = controlOf(stack);
    this.name = name;
    this.#container = `homespan-${stack.world}-${name}`;
  }

  /** A device with the tag, of which the tailnet's policy need not know. */
  static async join(stack: RehearsedStack, name: string, tag: string): Promise<Guest> {
    const guest = new Guest(stack, name);
    const { network, hosts } = await stack.readWorld();
    const { caFile, orders } = (await readState(stack.folder)) ?? {};
    const control = orders?.control ?? { kind: "tailscale" };
    const order = { reusable: false, ephemeral: false, tags: [tag], expirySeconds: 600 };
    const { key } = await guest.#control.createKey(order);
    await podman([
      ...["run", "--detach", "--pull=never", "--name", guest.#container],
      ...["--label", `homespan.cluster=${stack.world}`, "--network", network.name],
      ...["--volume", `${caFile ?? ""}:/ca.pem:ro`, "--env", "SSL_CERT_FILE=/ca.pem"],
      ...["--env", "TS_NO_LOGS_NO_SUPPORT=true"],
      ...Object.entries(hosts).map(([host, address]) => `--add-host=${host}:${address}`),
      ...[images.tailscale, "tailscaled", "--tun=userspace-networking", "--statedir=/tmp/ts"],
    ]);
    // An address that is no peer's is looked for outside of the tailnet, where who knows what may answer.
    const { pid } = await stateOf(guest.#container);
    const route = ["ip", "route", "add", "unreachable", "100.64.0.0/10"];
    await run("nsenter", ["--target", pid.toString(), "--net", "--", ...route]);
    await exec(guest.#container, ["sh", "-c", "umask 077; cat >/tmp/key"], key);
    const up = ["tailscale", "up", "--auth-key=file:/tmp/key", `--hostname=${name}`, "--timeout=20s"];
    const server = control.kind === "headscale" ? [`--login-server=https://${control.host}`] : [];
    await eventually(`${name} is in the tailnet`, 40, () => exec(guest.#container, [...up, ...server]));
    return guest;
  }

  /** True when a connection to this address and port of the tailnet is accepted. */
  async reaches(address: string, port: number): Promise<boolean> {
    // Its standard input is at its end, so that it ends as soon as it is connected.
    const command = ["timeout", "8", "tailscale", "nc", address, port.toString()];
    return (await podman(["exec", this.#container, ...command], { mayFail: true })).code === 0;
  }

  /** Host names of the devices that the tailnet shows it. */
  async peers(): Promise<string[]> {
    const text = await exec(this.#container, ["tailscale", "status", "--json"]);
    const { Peer } = JSON.parse(text) as {
      readonly Peer?: Readonly<Record<string, { readonly HostName: string }>>;
    };
    return Object.values(Peer ?? {})
      .map(({ HostName }) => HostName)
      .sort();
  }

  async leave(): Promise<void> {
    await podman(["rm", "--force", "--time", "0", this.#container]);
    for (const { givenName, id } of await this.#control.devices()) {
      if (givenName === this.name) await this.#control.removeDevice(id);
    }
  }
}
