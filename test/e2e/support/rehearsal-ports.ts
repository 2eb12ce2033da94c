/** What answers on an address of the rehearsed internet. */
import { connect } from "node:net";
import { run } from "./command.ts";
import { inNetwork } from "./netns.ts";
import { podman } from "./podman.ts";
import type { RehearsedStack } from "./rehearsal.ts";

export interface Scan {
  /** Ports that accepted a connection. */
  readonly open: readonly number[];
  /** Ports that were refused by the machine: what is dropped is in neither list. */
  readonly refused: readonly number[];
}

/** Sockets that wait for an answer at the same time. */
const atOnce = 6000;

/**
 * Tries all 65,535 TCP ports of an address from this machine.
 *
 * @param patience seconds for one port; a first packet that is lost is sent again after one
 */
export async function scanTcp(host: string, patience: number): Promise<Scan> {
  const open: number[] = [];
  const refused: number[] = [];
  let next = 1;
  const worker = async (): Promise<void> => {
    while (next <= 65_535) {
      const port = next++;
      const result = await knock(host, port, patience);
      if (result === "open") open.push(port);
      if (result === "refused") refused.push(port);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const order = (one: number, other: number): number => one - other;
  return { open: open.sort(order), refused: refused.sort(order) };
}

/** @param from address of this machine that the connection is to come from */
export function knock(
  host: string,
  port: number,
  patience: number,
  from?: string,
): Promise<"open" | "refused" | "silent"> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
    const timer = setTimeout(() => {
      end("silent");
    }, patience * 1000);
    const end = (result: "open" | "refused" | "silent"): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => {
      end("open");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      end(error.code === "ECONNREFUSED" ? "refused" : "silent");
    });
  });
}

/** Datagrams that a machine's interface to the cloud saw, and that its own firewall let in, by UDP port. */
export interface Datagrams {
  readonly arrived: Readonly<Record<number, number>>;
  readonly letIn: Readonly<Record<number, number>>;
}

const table = "e2e_datagrams";

interface Listed {
  readonly nftables: readonly {
    readonly counter?: { readonly name: string; readonly packets: number };
  }[];
}

/**
 * Sends datagrams to UDP ports of a node and counts on the node itself what becomes of them: before its firewall, and behind it.
 *
 * @param from pid in whose network they are sent; this machine's own where there is none
 */
export async function sendDatagrams(
  stack: RehearsedStack,
  node: string,
  target: { readonly address: string; readonly ports: readonly number[]; readonly from?: number },
): Promise<Datagrams> {
  const { address, ports, from } = target;
  const rules = (kind: string): string[] =>
    ports.map((port) => `    iifname "eth0" udp dport ${port} counter name ${kind}_${port}`);
  const text = [
    `table inet ${table} {`,
    ...ports.flatMap((port) => [`  counter arrived_${port} {}`, `  counter letin_${port} {}`]),
    "  chain before { type filter hook prerouting priority raw - 10; policy accept;",
    ...rules("arrived"),
    "  }",
    "  chain behind { type filter hook input priority filter + 100; policy accept;",
    ...rules("letin"),
    "  }",
    "}",
  ].join("\n");
  const nft = (args: readonly string[], input?: string): ReturnType<typeof podman> =>
    podman(["exec", ...(input === undefined ? [] : ["--interactive"]), stack.machine(node), "nft", ...args], {
      ...(input === undefined ? {} : { input }),
    });
  await nft(["--file", "-"], text);
  try {
    const words = [address, ...ports.map(String)];
    if (from === undefined) {
      await run(process.execPath, [new URL("rehearsal-datagrams.ts", import.meta.url).pathname, ...words]);
    } else {
      await inNetwork(from, "rehearsal-datagrams.ts", words);
    }
    const listed = JSON.parse(
      (await nft(["--json", "list", "counters", "table", "inet", table])).stdout,
    ) as Listed;
    const counted = (kind: string): Record<number, number> =>
      Object.fromEntries(
        ports.map((port) => {
          const found = listed.nftables.find(({ counter }) => counter?.name === `${kind}_${port}`);
          return [port, found?.counter?.packets ?? -1];
        }),
      );
    return { arrived: counted("arrived"), letIn: counted("letin") };
  } finally {
    await nft(["delete", "table", "inet", table]);
  }
}
