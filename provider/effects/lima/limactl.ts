/** Lima on a Mac, by `limactl`. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type LimaInstance, limaJsonLines, parseLimaList } from "../../../components/render/lima-list.ts";
import { type LimaFacts, parseLimaProbe } from "../../../components/render/lima-mac.ts";
import type { Mac } from "../../schema/lima.ts";
import { printFiles, saysAbsent } from "../absent-file.ts";
import { type Macs, macText } from "../macs.ts";
import type { Finished, RunOptions } from "../process.ts";

export type StartAt = "boot" | "login" | "off";

export interface LimaDisk {
  readonly directory: string;
  readonly sizeGiB: number;
  /** Who holds it; "" for nobody. */
  readonly instance: string;
  /** What was left beside it when it was made here; "" for another one's. */
  readonly mark: string;
}

export interface Lima {
  /** What the machine is like; `wanted` as provider/effects/lima/probe.sh takes it. */
  facts(mac: Mac, wanted: readonly string[]): Promise<LimaFacts>;
  instances(mac: Mac): Promise<readonly LimaInstance[]>;
  instance(mac: Mac, name: string): Promise<LimaInstance | undefined>;
  /** Leaves nothing behind when it fails. */
  create(mac: Mac, name: string, yaml: string): Promise<void>;
  /** Changes the configuration of one that is stopped, by an expression of yq's. */
  edit(mac: Mac, name: string, expression: string): Promise<void>;
  start(mac: Mac, name: string, seconds: number): Promise<void>;
  /** As if the power button was pressed; returns at once for one that is stopped. */
  stop(mac: Mac, name: string): Promise<void>;
  /** Succeeds when it is not there. */
  remove(mac: Mac, name: string): Promise<void>;
  startsAt(mac: Mac, name: string): Promise<StartAt>;
  setStart(mac: Mac, name: string, startAt: StartAt): Promise<void>;
  /** Takes out what starts one that is not there any more. */
  forgetStart(mac: Mac, name: string): Promise<void>;
  /** A command in the virtual machine, as root; never throws for an exit code. */
  command(mac: Mac, name: string, argv: readonly string[], options?: RunOptions): Promise<Finished>;
  /**
   * Undefined when it is not there.
   *
   * @throws Error when it is, and what was left beside it cannot be read.
   */
  disk(mac: Mac, name: string): Promise<LimaDisk | undefined>;
  createDisk(mac: Mac, name: string, sizeGiB: number, mark: string): Promise<void>;
  /** Succeeds when it is not there. */
  removeDisk(mac: Mac, name: string): Promise<void>;
  /** Lets a key in as the user there. */
  authorize(mac: Mac, publicKey: string): Promise<void>;
  /** Lets it in no longer. */
  forbid(mac: Mac, publicKey: string): Promise<void>;
}

/** With an image of some hundred megabytes that is downloaded. */
const CREATE_SECONDS = 1800;
/** Lima itself waits three minutes twice. */
const STOP_SECONDS = 400;
/** What it needs around the wait it is told. */
const START_MARGIN_SECONDS = 60;

const GIB = 1024 ** 3;

/** {@link Lima} by the program. */
export class Limactl implements Lima {
  readonly #macs: Macs;

  constructor(macs: Macs) {
    this.#macs = macs;
  }

  async facts(mac: Mac, wanted: readonly string[]): Promise<LimaFacts> {
    return parseLimaProbe(await this.#script(mac, "probe", wanted));
  }

  async instances(mac: Mac): Promise<readonly LimaInstance[]> {
    return parseLimaList(await this.#do(mac, "listing virtual machines", ["list", "--json"]));
  }

  async instance(mac: Mac, name: string): Promise<LimaInstance | undefined> {
    const finished = await this.#limactl(mac, ["list", "--json", name]);
    // One that is just deleted is listed or not.
    if (finished.code !== 0 && /unmatched instances/.test(finished.stderr)) return undefined;
    if (finished.code !== 0) throw failure(mac, `looking for ${name}`, finished);
    return parseLimaList(finished.stdout).find((found) => found.name === name);
  }

  async create(mac: Mac, name: string, yaml: string): Promise<void> {
    await this.#script(mac, "user-key", []);
    const options = { input: yaml, timeoutSeconds: CREATE_SECONDS };
    const finished = await this.#limactl(mac, ["--tty=false", "create", "--name", name, "-"], options);
    if (finished.code === 0) return;
    // An image that cannot be had leaves a machine without one.
    if (!/already exists/.test(finished.stderr)) await this.#limactl(mac, ["delete", "--force", name]);
    throw failure(mac, `making ${name}`, finished);
  }

  async edit(mac: Mac, name: string, expression: string): Promise<void> {
    await this.#do(mac, `changing ${name}`, ["--tty=false", "edit", "--set", expression, name]);
  }

  async start(mac: Mac, name: string, seconds: number): Promise<void> {
    const argv = ["--tty=false", "start", "--timeout", `${seconds}s`, name];
    await this.#do(mac, `starting ${name}`, argv, { timeoutSeconds: seconds + START_MARGIN_SECONDS });
  }

  async stop(mac: Mac, name: string): Promise<void> {
    const finished = await this.#limactl(mac, ["stop", name], { timeoutSeconds: STOP_SECONDS });
    if (finished.code === 0 || /got `Stopped`/.test(finished.stderr)) return;
    throw failure(mac, `stopping ${name}`, finished);
  }

  async remove(mac: Mac, name: string): Promise<void> {
    await this.#do(mac, `deleting ${name}`, ["delete", "--force", name]);
  }

  async startsAt(mac: Mac, name: string): Promise<StartAt> {
    const text = (await this.#script(mac, "starts", [name])).trim();
    return text === "boot" || text === "login" ? text : "off";
  }

  async setStart(mac: Mac, name: string, startAt: StartAt): Promise<void> {
    const present = await this.startsAt(mac, name);
    if (present === startAt) return;
    const what = `making ${name} start at ${startAt}`;
    // Lima knows one at a time, and forgets only one when it is deleted.
    if (present !== "off") await this.#do(mac, what, ["autostart", "disable", name]);
    if (startAt !== "off") {
      await this.#do(mac, what, ["autostart", "enable", "--condition", startAt, name]);
    }
  }

  async forgetStart(mac: Mac, name: string): Promise<void> {
    await this.#script(mac, "forget-start", [name]);
  }

  command(mac: Mac, name: string, argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const shell = ["--tty=false", "shell", "--workdir", "/", name, "sudo", "-n", ...argv];
    return this.#limactl(mac, shell, options);
  }

  async disk(mac: Mac, name: string): Promise<LimaDisk | undefined> {
    const text = await this.#do(mac, `looking for disk ${name}`, ["disk", "list", "--json", name]);
    const found = limaJsonLines(text)
      .map((it) => it as { name?: string; size?: number; dir?: string; instance?: string })
      .find((it) => it.name === name);
    if (found === undefined) return undefined;
    const { dir = "", size = 0, instance = "" } = found;
    return { directory: dir, sizeGiB: size / GIB, instance, mark: await this.#markOf(mac, name, dir) };
  }

  /** A disk whose mark cannot be read may be a node's own: taken for another's, it would be forgotten, or advised to be deleted. */
  async #markOf(mac: Mac, disk: string, directory: string): Promise<string> {
    const path = `${directory}/homespan.id`;
    const finished = await this.#macs.run(mac, printFiles(path));
    if (finished.code === 0) return finished.stdout.trim();
    if (saysAbsent(finished, path)) return "";
    const { message } = failure(mac, `reading whose data is on disk ${disk}`, finished);
    throw new Error(
      `${message}. The disk is left as it is; run again, and if this stays, there: cat ${path}`,
    );
  }

  async createDisk(mac: Mac, name: string, sizeGiB: number, mark: string): Promise<void> {
    await this.#script(mac, "new-disk", [name, `${sizeGiB}GiB`, mark]);
  }

  async removeDisk(mac: Mac, name: string): Promise<void> {
    const finished = await this.#limactl(mac, ["disk", "delete", name]);
    if (finished.code !== 0) throw failure(mac, `deleting disk ${name}`, finished);
    // Such a one is skipped, and the command ends well.
    if (!/Skipping deleting disk/.test(finished.stderr)) return;
    throw new Error(
      `disk ${name} on ${macText(mac)} stays: a virtual machine there still names it (limactl list)`,
    );
  }

  async authorize(mac: Mac, publicKey: string): Promise<void> {
    await this.#script(mac, "authorize", [publicKey]);
  }

  async forbid(mac: Mac, publicKey: string): Promise<void> {
    await this.#script(mac, "forbid", [publicKey]);
  }

  async #script(mac: Mac, script: string, args: readonly string[]): Promise<string> {
    const input = await readFile(join(import.meta.dirname, `${script}.sh`), "utf8");
    const finished = await this.#macs.run(mac, ["/bin/sh", "-s", "--", ...args], { input });
    if (finished.code === 0) return finished.stdout;
    throw failure(mac, args[0] === undefined ? script : `${script} of ${args[0]}`, finished);
  }

  async #do(mac: Mac, what: string, argv: readonly string[], options?: RunOptions): Promise<string> {
    const finished = await this.#limactl(mac, argv, options);
    if (finished.code === 0) return finished.stdout;
    throw failure(mac, what, finished);
  }

  #limactl(mac: Mac, argv: readonly string[], options?: RunOptions): Promise<Finished> {
    return this.#macs.run(mac, ["limactl", ...argv], options);
  }
}

/** One line that says which and why: Lima's own last words. */
function failure(mac: Mac, what: string, { stderr, code }: Finished): Error {
  const lines = stderr.trim().split("\n");
  const fatal = lines.findLast((line) => line.includes("level=fatal")) ?? lines.at(-1) ?? "";
  const [, quoted] = /msg=("(?:[^"\\]|\\.)*")/.exec(fatal) ?? [];
  const text = quoted === undefined ? fatal : unquoted(quoted);
  return new Error(`${what} on ${macText(mac)} failed: ${text === "" ? `exit code ${code}` : text}`);
}

/** As Go quotes a text, which is JSON but for some letters. */
function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
