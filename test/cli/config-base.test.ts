/** What each verb starts from: the committed config, or what the stack last ran with; and what it keeps of it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Context } from "../../cli/context.ts";
import { childEnvironment } from "../../cli/environment.ts";
import { InputError } from "../../cli/errors.ts";
import { prepareStack } from "../../cli/state.ts";
import { destroy } from "../../cli/verbs/destroy.ts";
import { doctor } from "../../cli/verbs/doctor.ts";
import { env } from "../../cli/verbs/env.ts";
import { preview } from "../../cli/verbs/preview.ts";
import { recreate } from "../../cli/verbs/recreate.ts";
import { render } from "../../cli/verbs/render.ts";
import { up } from "../../cli/verbs/up.ts";
import { type Bed, checkout, diagnostic, events, withCluster } from "./bed.ts";
import { bed, ci, failure, once } from "./verb-support.ts";

const configOf = ({ context }: Bed, stack = "ci"): string =>
  readFileSync(join(context.paths.config, `Pulumi.${stack}.yaml`), "utf8");
const previewed = (made: Bed): string => readFileSync(join(made.folder, "calls.previewed"), "utf8");
const changing = (made: Bed): string[] =>
  made.calls().filter((call) => /\|(?:destroy|up) /.test(call) || /rm --force/.test(call));

const digest = (message: string): string =>
  JSON.stringify({ diagnostics: [{ severity: "error", message: `error: ${message}\n` }] });
const refused = "The configuration of stack ci has 1 problem:\n  - `servers` must be 1 or 3, got 4";

/** Makes the program refuse its config. */
function refuse(made: Bed): void {
  Object.assign(made.environment, {
    FAKE_PREVIEW: made.file("refused.json", digest(refused)),
    FAKE_PREVIEW_EXIT: "255",
  });
}

describe("recreate", () => {
  test("destroys nothing when the program refuses the config", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, once);
    refuse(made);
    const before = made.calls().length;
    const error = await failure(recreate(made.context, ci, { ...once, settings: ["servers=4"] }));
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toContain("`servers` must be 1 or 3, got 4");
    expect(error.message).toContain("nothing was created or changed");
    expect(previewed(made)).toContain("homespan:servers: 4");
    expect(changing({ ...made, calls: () => made.calls().slice(before) })).toEqual([]);
    expect(configOf(made)).toContain("homespan:servers: 1");
  });

  test("destroys nothing when the program fails for another reason", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, once);
    Object.assign(made.environment, {
      FAKE_PREVIEW_EXIT: "255",
      FAKE_PREVIEW_ERROR: "error: no such module",
    });
    const error = await failure(recreate(made.context, ci, once));
    expect(error.exitCode).toBe(1);
    expect(error.message).toContain("no such module");
    expect(made.calls().some((call) => call.includes("|destroy"))).toBe(false);
  });

  test("brings up again what was up, settings included, with a salt of its own", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, { ...once, settings: ["servers=3", "agents=1"] });
    await recreate(made.context, ci, { ...once, settings: ["agents=4"] });
    expect(made.calls().some((call) => call.includes("|destroy"))).toBe(true);
    expect(configOf(made)).toMatch(/homespan:servers: 3[\s\S]*homespan:agents: 4/);
    expect(configOf(made).match(/encryptionsalt/g)).toHaveLength(1);
    expect(made.said).toContain("config other than committed: servers: 1 -> 3");
  });

  test("keeps what is encrypted in the config, and salt and passphrase that open it", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, once);
    const { paths } = made.context;
    const file = join(paths.config, "Pulumi.ci.yaml");
    const passphrase = readFileSync(paths.passphrase, "utf8");
    const set = ["config", "set", "--secret", "homespan:s3SecretAccessKey", "x", "--config-file", file];
    execFileSync("pulumi", set, { env: childEnvironment(paths, made.environment) });
    const encrypted = /secure: v1:\d+/.exec(configOf(made))?.[0];
    const salt = /encryptionsalt: \S+/.exec(configOf(made))?.[0];
    expect(encrypted).toBeDefined();
    await recreate(made.context, ci, { ...once, settings: ["agents=4"] });
    expect(made.calls().some((call) => call.includes("|destroy"))).toBe(true);
    expect(configOf(made)).toContain("homespan:agents: 4");
    for (const kept of [encrypted, salt]) expect(configOf(made)).toContain(kept);
    expect(readFileSync(paths.passphrase, "utf8")).toBe(passphrase);
    // Of a stack that goes for good nothing stays.
    await destroy(made.context, ci, once);
    expect(existsSync(paths.state)).toBe(false);
  });

  test("--node keeps the settings of the last run", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, { ...once, settings: ["servers=3"] });
    await recreate(made.context, ci, { ...once, node: "server-1" });
    expect(configOf(made)).toContain("homespan:servers: 3");
  });
});

describe("verbs about a stack as it is", () => {
  test("doctor asks for the ports of the last run", async () => {
    const made = bed();
    const asked: number[] = [];
    const context: Context = {
      ...made.context,
      machine: {
        ...made.context.machine,
        probe: (inner, ports) => {
          asked.push(...ports);
          return made.context.machine.probe(inner, ports);
        },
      },
    };
    const stack = { name: "pr-123", topology: "ci" };
    await prepareStack(context, stack, ["apiPort=7443"]);
    await doctor(context, stack, []);
    expect(asked).toEqual([7443]);
  });

  test("env leaves the config of the last run, and its age", async () => {
    const made = bed();
    await prepareStack(made.context, ci, ["agents=5"]);
    const file = join(made.context.paths.config, "Pulumi.ci.yaml");
    utimesSync(file, 1000, 1000);
    await env(made.context, ci, []);
    expect(configOf(made)).toContain("homespan:agents: 5");
    expect(statSync(file).mtimeMs).toBe(1_000_000);
    await env(made.context, ci, ["servers=3"]);
    expect(configOf(made)).toMatch(/homespan:servers: 3[\s\S]*homespan:agents: 5/);
  });

  test("render shows the last run's files and keeps nothing of its own settings", async () => {
    const made = bed({ env: { FAKE_PREVIEW: join(checkout, "test/cli/fixtures/preview.json") } });
    await prepareStack(made.context, ci, ["agents=5"]);
    await render(made.context, ci, "agent-1", { settings: ["servers=3"] });
    expect(previewed(made)).toMatch(/homespan:servers: 3[\s\S]*homespan:agents: 5/);
    expect(configOf(made)).toContain("homespan:servers: 1");
  });

  test("destroy works on the config of the last run", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, { ...once, settings: ["agents=5"] });
    await destroy(made.context, ci, once);
    expect(made.calls().find((call) => call.includes("|destroy"))).toContain(
      `--config-file ${made.context.paths.config}/Pulumi.ci.yaml`,
    );
    expect(made.said.join("\n")).not.toContain("config since the last run");
  });
});

describe("preview", () => {
  test("starts from the committed config like up, and leaves the last run's", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, { ...once, settings: ["agents=5"] });
    await preview(made.context, ci, ["servers=3"]);
    expect(previewed(made)).toMatch(/homespan:servers: 3[\s\S]*homespan:agents: 2[\s\S]*v1:fake/);
    expect(made.said).toContain("config since the last run: agents: 5 -> 2");
    expect(configOf(made)).toContain("homespan:agents: 5");
    expect(readdirSync(made.context.paths.temporary)).toEqual([]);
  });

  test("of a stack that does not exist leaves nothing", async () => {
    const made = bed();
    await preview(made.context, ci, []);
    expect(previewed(made)).toContain("homespan:agents: 2");
    expect(existsSync(made.context.paths.state)).toBe(false);
  });

  test("ends with 2 on a config that the program refuses, as text and as JSON", async () => {
    for (const json of [false, true]) {
      const made = bed({ json });
      Object.assign(made.environment, { FAKE_PREVIEW_EXIT: "255" });
      if (json) refuse(made);
      else made.environment["FAKE_PREVIEW_ERROR"] = `warning: x\nerror: ${refused}`;
      const error = await failure(preview(made.context, ci, ["servers=4"]));
      expect(error.exitCode).toBe(2);
      expect(error.message).toBe(`${refused}\nnothing was created or changed`);
      expect(made.printed).toEqual(json ? [digest(refused)] : []);
      expect(existsSync(made.context.paths.state)).toBe(false);
    }
  });

  test("render ends with 2 on it too", async () => {
    const made = bed();
    refuse(made);
    const error = await failure(render(made.context, ci, "agent-1", { settings: ["servers=4"] }));
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain("`servers` must be 1 or 3, got 4");
  });
});

describe("a run that was refused is no run", () => {
  const refusal = (made: Bed): void => {
    Object.assign(made.environment, {
      FAKE_EXIT: "255",
      FAKE_EVENTS: made.file("events", events(diagnostic(refused, "error"))),
    });
  };

  test("the config of the run before stays the last one", async () => {
    const made = withCluster(bed());
    await up(made.context, ci, { ...once, settings: ["agents=5"] });
    refusal(made);
    await failure(up(made.context, ci, { ...once, settings: ["servers=4"] }));
    expect(configOf(made)).toMatch(/homespan:servers: 1[\s\S]*homespan:agents: 5/);
  });

  test("a stack that did not exist does not exist", async () => {
    const made = bed();
    refusal(made);
    await failure(up(made.context, ci, { ...once, settings: ["servers=4"] }));
    expect(existsSync(made.context.paths.state)).toBe(false);
  });
});

describe("the question of up", () => {
  const pr = { name: "pr-1", topology: "ci" };

  test("is not asked when the preview fails", async () => {
    const made = withCluster(bed({ yes: false, answer: true }));
    Object.assign(made.environment, { FAKE_PREVIEW_EXIT: "255", FAKE_PREVIEW_ERROR: `error: ${refused}` });
    const error = await failure(up(made.context, pr, once));
    expect(error.exitCode).toBe(2);
    expect(changing(made)).toEqual([]);
    expect(existsSync(made.context.paths.state)).toBe(false);
  });

  test("comes after a preview whose temporary files go away", async () => {
    const made = withCluster(bed({ yes: false, answer: true }));
    await up(made.context, pr, once);
    const temporary = readFileSync(join(made.folder, "calls.temporary"), "utf8").trim().split("\n");
    // One of the preview, one of the run.
    expect(temporary).toHaveLength(2);
    for (const file of temporary) expect(file.startsWith(made.context.paths.temporary)).toBe(true);
    expect(readdirSync(made.context.paths.temporary)).toEqual([]);
  });

  test.each([
    ["up", (context: Context) => up(context, pr, once)],
    ["destroy", (context: Context) => destroy(context, ci, once)],
    ["recreate --node", (context: Context) => recreate(context, ci, { ...once, node: "agent-1" })],
  ])("without a terminal %s is bad usage", async (_, verb) => {
    const made = withCluster(bed({ yes: false }));
    await prepareStack(made.context, ci, []);
    const error = await failure(verb(made.context));
    expect(error.message).toContain("--yes");
    expect(error.exitCode).toBe(2);
  });
});
