/** Tailnet operators as processes, with stand-ins for Tailscale's programs. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SystemTailnetOperators } from "../../provider/effects/operator.ts";
import { systemClock } from "../../provider/effects/wait.ts";
import { operatorPrograms } from "./operator-programs.ts";

const settings = { port: undefined, loginServer: "https://control.example.internal", caCertificate: "" };
const login = {
  loginServer: settings.loginServer,
  hostName: "ci-operator",
  authKey: "good",
  again: false,
  seconds: 7,
};
const { signal } = new AbortController();

let folder: string;
let directory: string;
let environment: Record<string, string>;
let operators: SystemTailnetOperators;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "op-"));
  const run = await operatorPrograms(join(folder, "bin"));
  environment = { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HTTPS_PROXY: "http://proxy:1", SECRET: "s" };
  operators = new SystemTailnetOperators(run, systemClock, { stateFolder: () => folder, environment });
  directory = operators.directory("ci");
});
afterEach(async () => {
  await operators.stop(directory, settings);
  await rm(folder, { recursive: true });
});

/** Files below the folder in which the text stands. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  const contents = await Promise.all(files.map(({ name }) => readFile(join(folder, name), "utf8")));
  return files.flatMap(({ name }, index) => (contents[index]?.includes(text) === true ? [name] : []));
}

describe("an operator's process", () => {
  it("starts, logs in with a key that no one else sees, and is found", async () => {
    const made = await operators.start(directory, settings, signal);
    expect(made).toMatchObject({ backend: "NeedsLogin", known: false });
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    await operators.login(directory, login);
    expect(await operators.find(directory)).toEqual({
      ...{ pid: made.pid, port: made.port, backend: "Running" },
      ...{ known: true, deviceId: "7", domain: "tailnet.example.com", problems: [] },
    });
    expect(await readFile(`${directory}/up.log`, "utf8")).toBe(
      "--reset --hostname=ci-operator --timeout=7s --accept-dns=false --accept-routes=false --shields-up " +
        `--login-server=https://control.example.internal --auth-key=file:/dev/stdin\n`,
    );
    expect(await filesWith(directory, login.authKey)).toEqual([]);
  });

  it("logs out before it logs in again, as a key may be good for one login", async () => {
    await operators.start(directory, settings, signal);
    await operators.login(directory, login);
    await operators.login(directory, { ...login, loginServer: "", again: true });
    expect(existsSync(`${directory}/../logged-out`)).toBe(true);
    expect(await operators.find(directory)).toMatchObject({ backend: "Running", known: true });
    const [, last = ""] = (await readFile(`${directory}/up.log`, "utf8")).trim().split("\n");
    expect(last).toBe(
      "--reset --hostname=ci-operator --timeout=7s --accept-dns=false --accept-routes=false --shields-up " +
        "--auth-key=file:/dev/stdin",
    );
  });

  it("keeps port and login when it was killed, and takes another port when that one is taken", async () => {
    const first = await operators.start(directory, settings, signal);
    await operators.login(directory, login);
    process.kill(first.pid, "SIGKILL");
    await expect.poll(() => operators.find(directory)).toBeUndefined();
    const second = await operators.start(directory, { ...settings, port: first.port }, signal);
    expect(second).toMatchObject({ port: first.port, backend: "Running" });
    process.kill(second.pid, "SIGKILL");
    await expect.poll(() => operators.find(directory)).toBeUndefined();
    const other = createServer();
    await new Promise<void>((done) => other.listen(first.port, "127.0.0.1", done));
    try {
      const third = await operators.start(directory, { ...settings, port: first.port }, signal);
      expect(third.port).not.toBe(first.port);
    } finally {
      other.close();
    }
  });

  it("knows the way out of this machine, whom to trust, and nothing else", async () => {
    const read = async (): Promise<Record<string, string>> => {
      const lines = (await readFile(`${directory}/environment`, "utf8")).trim().split("\n");
      return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
    };
    const own = "-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----";
    await operators.start(directory, { ...settings, caCertificate: own }, signal);
    const trust = `${directory}/trust.pem`;
    const known = await read();
    expect(known).toMatchObject({
      HTTPS_PROXY: "http://proxy:1",
      TS_LOGS_DIR: directory,
      SSL_CERT_FILE: trust,
    });
    expect(known["TS_NO_LOGS_NO_SUPPORT"]).toBe("true");
    expect(known).not.toHaveProperty("SECRET");
    expect(await readFile(trust, "utf8")).toContain(own);
    expect(await readFile(`${directory}/ca.pem`, "utf8")).toBe(own);
    await operators.start(directory, { ...settings, loginServer: "" }, signal);
    const plain = await read();
    expect(plain).not.toHaveProperty("SSL_CERT_FILE");
    expect(plain).not.toHaveProperty("TS_NO_LOGS_NO_SUPPORT");
  });

  it("says why it could not log in", async () => {
    await operators.start(directory, settings, signal);
    await expect(operators.login(directory, { ...login, authKey: "bad" })).rejects.toThrow(
      /^invalid pre auth key$/,
    );
    await expect(operators.login(directory, { ...login, authKey: "slow" })).rejects.toThrow(
      "timeout waiting for Tailscale service",
    );
  });

  it("says why it did not start", async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(`${directory}/broken`, "");
    await expect(operators.start(directory, settings, signal)).rejects.toThrow(
      "tailscaled ended at once: wgengine.New: no entropy",
    );
    environment["PATH"] = "/usr/bin:/bin";
    await expect(operators.start(directory, settings, signal)).rejects.toThrow(
      "tailscaled must be installed, found no such program",
    );
    await expect(operators.start(`${folder}/${"x".repeat(100)}`, settings, signal)).rejects.toThrow(
      "`HOMESPAN_STATE` must be shorter by ",
    );
  });

  it("keeps its log small", async () => {
    await operators.start(directory, settings, signal);
    await writeFile(`${directory}/operator.log`, "x".repeat(4_000_001));
    await operators.find(directory);
    expect((await stat(`${directory}/operator.log`)).size).toBe(0);
  });

  it("logs out before it ends, dead or alive, and leaves nothing", async () => {
    for (const dead of [false, true]) {
      const { pid } = await operators.start(directory, settings, signal);
      await operators.login(directory, login);
      if (dead) {
        process.kill(pid, "SIGKILL");
        await expect.poll(() => operators.find(directory)).toBeUndefined();
      }
      await operators.stop(directory, settings);
      expect(existsSync(directory)).toBe(false);
      expect(await readdir(join(folder, "operators"))).toEqual(["logged-out"]);
      await rm(join(folder, "operators/logged-out"));
    }
    await mkdir(directory);
    await operators.stop(directory, settings);
    await operators.stop(directory, settings);
    expect(await readdir(folder)).toEqual(["bin"]);
  });
});
