/** The process of a tailnet operator: found by its process id and what it was started with. */
import { spawn } from "node:child_process";
import { readFile, stat, truncate } from "node:fs/promises";
import { type Server, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { getCACertificates } from "node:tls";
import type { Run } from "./process.ts";

const SCRIPT = fileURLToPath(new URL("start-operator.sh", import.meta.url));
const LOG_BYTES = 4_000_000;
/** Below the ports that systems give to outgoing connections: one of those would hold it when the operator starts again. */
const PORTS = { first: 20_000, count: 10_000, attempts: 100 };
/** What a program needs to find its home, and the way out of this machine. */
const PASSED = [
  ...["HOME", "USER", "LOGNAME", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"],
];

type Environment = Readonly<Record<string, string | undefined>>;

export function socketOf(directory: string): string {
  return `${directory}/tailscaled.sock`;
}

/** Process and proxy of the operator that runs in this directory, or `undefined`. */
export async function processOf(
  directory: string,
  run: Run,
): Promise<{ readonly pid: number; readonly port: number } | undefined> {
  const pid = await pidOf(directory);
  if (pid === undefined) return undefined;
  const line = await commandLine(pid, run);
  // A process id may meanwhile be someone else's.
  if (!line.includes(socketOf(directory))) return undefined;
  const port = /--outbound-http-proxy-listen=127\.0\.0\.1:(\d+)/.exec(line)?.[1];
  return port === undefined ? undefined : { pid, port: Number(port) };
}

async function commandLine(pid: number, run: Run): Promise<string> {
  if (process.platform === "linux") {
    return readFile(`/proc/${String(pid)}/cmdline`, "utf8").catch(() => "");
  }
  const { stdout } = await run("ps", ["-ww", "-o", "state=,command=", "-p", String(pid)]);
  return stdout.startsWith("Z") ? "" : stdout.trim();
}

/** True while the process that was started last is there, also when it has yet to become tailscaled. */
export async function isAlive(directory: string, run: Run): Promise<boolean> {
  const pid = await pidOf(directory);
  if (pid === undefined) return false;
  if (process.platform !== "linux") return (await commandLine(pid, run)) !== "";
  // Its command line is empty for a moment while it becomes tailscaled; Z and X are those that have ended.
  const status = await readFile(`/proc/${String(pid)}/stat`, "utf8").catch(() => "");
  return /\) [^ZX]/.test(status);
}

async function pidOf(directory: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(`${directory}/operator.pid`, "utf8").catch(() => ""), 10);
  return Number.isNaN(pid) ? undefined : pid;
}

/** Starts one that outlives this process; says nothing about how it fares. */
export function launch(directory: string, port: number, environment: Environment): Promise<void> {
  const child = spawn("sh", [SCRIPT, directory, String(port)], {
    detached: true,
    stdio: "ignore",
    env: environment,
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) {
        resolve();
        return;
      }
      void lastWords(directory).then((reason) => {
        reject(new Error(reason));
      });
    });
  });
}

/**
 * What an operator may know of the caller's environment.
 *
 * @param ownControl - nothing about a tailnet with a control server of its own goes to Tailscale.
 * @param trust - file with the certificates to trust, beside those of its own that Go looks for in directories.
 */
export function environmentFor(
  directory: string,
  caller: Environment,
  { ownControl, trust }: { readonly ownControl: boolean; readonly trust: string | undefined },
): Environment {
  return {
    ...Object.fromEntries(
      PASSED.flatMap((name) => (caller[name] === undefined ? [] : [[name, caller[name]]])),
    ),
    TS_LOGS_DIR: directory,
    ...(ownControl ? { TS_NO_LOGS_NO_SUPPORT: "true" } : {}),
    ...(trust === undefined ? {} : { SSL_CERT_FILE: trust }),
  };
}

/** The certificates this system trusts, SSL_CERT_FILE's included, and one more. */
export function trustWith(caCertificate: string): string {
  return [...new Set([...getCACertificates("system"), caCertificate.trim()])].join("\n") + "\n";
}

/** The last line of the log that says why it ended. */
export async function lastWords(directory: string): Promise<string> {
  const log = await readFile(`${directory}/operator.log`, "utf8").catch(() => "");
  const line = log.trim().split("\n").at(-1) ?? "";
  return line.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, "");
}

/** It runs for months, and nobody rotates its log. */
export async function keepLogSmall(directory: string): Promise<void> {
  const log = `${directory}/operator.log`;
  const size = await stat(log).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_BYTES) await truncate(log);
}

/** `preferred` while nobody listens there, else another free one. */
export async function freePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (let attempt = 0; attempt < PORTS.attempts; attempt += 1) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
  const last = PORTS.first + PORTS.count - 1;
  throw new Error(
    `a port of 127.0.0.1 from ${String(PORTS.first)} to ${String(last)} must be free, found none`,
  );
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, port);
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}
