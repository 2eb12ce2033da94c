/** Small programs of this folder, run by this machine's Node inside a node's network. */
import { run } from "./command.ts";

const folder = new URL(".", import.meta.url).pathname;

export async function inNetwork(pid: number, script: string, args: readonly string[]): Promise<string> {
  const command = [
    "--target",
    pid.toString(),
    "--net",
    "--",
    process.execPath,
    `${folder}${script}`,
    ...args,
  ];
  return (await run("nsenter", command, { timeoutSeconds: 30 })).stdout.trim();
}

/** `open`, `refused`, or `silent` when nothing answered within four seconds. */
export async function connection(pid: number, address: string, port: number): Promise<string> {
  return inNetwork(pid, "connect.ts", [address, port.toString()]);
}
