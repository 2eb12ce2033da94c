import { readdirSync, readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { checkCiConfig, ciConfig } from "../../stacks/ci-config.ts";
import { k3sOptions } from "../../components/upstream/k3s-options.ts";
import { readSettings, settingsOf } from "../../stacks/config.ts";
import { editDistance } from "../../components/render/edit-distance.ts";
import { formatProblem, nearest } from "../../stacks/grammar.ts";

const fixtures = (kind: string): string[] => readdirSync(new URL(kind, import.meta.url)).sort();
const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

/** A stack file's configuration as Pulumi hands it to a program: everything is text, objects and lists are JSON. */
function handedOver(text: string): Record<string, string> {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

/** The keys whose values the stack file holds encrypted, at any depth, as the language host names them. */
function secretKeys(text: string): string[] {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return Object.keys(config).filter((key) => /"secure":/.test(JSON.stringify(config[key])));
}

/** What a user of this stack file is told. */
function messages(text: string): string[] {
  try {
    ciConfig(settingsOf("ci", handedOver(text), secretKeys(text)));
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.RunError);
    return (error as Error).message.split("\n").map((line) => line.replace(/^ {2}- /, ""));
  }
}

describe("valid", () => {
  test.each(fixtures("valid"))("%s", (file) => {
    expect(messages(textOf(`valid/${file}`))).toEqual([]);
  });

  test("the stack file of the project itself", () => {
    expect(messages(textOf("../../Pulumi.ci.yaml"))).toEqual([]);
  });

  test("so is every key of it that is commented out", () => {
    const everything = textOf("../../Pulumi.ci.yaml").replace(/^ {2}# (?=homespan:| {2,})/gm, "  ");
    expect(everything).toContain("\n  homespan:nodes:\n    agent-1:\n");
    expect(messages(everything)).toEqual([]);
  });
});

describe("invalid: the first line names the rule and its message, and it is the only one", () => {
  test.each(fixtures("invalid"))("%s", (file) => {
    const text = textOf(`invalid/${file}`);
    const [, rule, message] = /^# ([a-z0-9-]+): (.*)$/m.exec(text) ?? [];
    expect(rule).toBe(file.replace(/\.yaml$/, ""));
    const told = messages(text).filter(
      (line) => !line.startsWith("The configuration of stack ci has 1 problem"),
    );
    expect(told).toEqual([message]);
  });
});

test("all problems are told at once", () => {
  const everything = fixtures("invalid")
    .filter((file) =>
      /^(agents-count|api-port|datastore|k3s-version|unknown-key|node-keys)\.yaml$/.test(file),
    )
    .map((file) => textOf(`invalid/${file}`));
  const config = Object.assign({}, ...everything.map(handedOver)) as Record<string, string>;
  const { problems } = checkCiConfig(settingsOf("ci", config));
  expect(problems.map(formatProblem).sort()).toEqual(
    everything.map((text) => (text.split("\n")[0] ?? "").replace(/^# [a-z0-9-]+: /, "")).sort(),
  );
});

describe("k3s options", () => {
  const told = (role: string, options: Record<string, unknown>): string[] =>
    checkCiConfig(
      settingsOf("ci", { "homespan:extraConfig": JSON.stringify({ [role]: options }) }),
    ).problems.map(formatProblem);
  const free = (role: string): string[] =>
    Object.entries(k3sOptions)
      .filter(([, option]) => option.owned === undefined && (option.only ?? role) === role)
      .map(([name]) => name);

  test.each(["server", "agent"])("every free one of the %s is taken, every other one refused", (role) => {
    const names = free(role);
    expect(names.length).toBeGreaterThan(15);
    expect(told(role, Object.fromEntries(names.map((name) => [name, "1"])))).toEqual([]);
    for (const name of Object.keys(k3sOptions).filter((it) => !names.includes(it))) {
      expect(told(role, { [name]: "1" }), name).toHaveLength(1);
      expect(told(role, { [`${name}+`]: "1" }), name).toHaveLength(1);
    }
  });

  test.each(Object.keys(k3sOptions).filter((name) => k3sOptions[name]?.secret === true))(
    "the value of %s is in no message",
    (name) => {
      expect(told("server", { [name]: "hunter2" }).join()).not.toContain("hunter2");
      expect(told("agent", { [name]: "hunter2" }).join()).not.toContain("hunter2");
    },
  );

  test("a URL without a password is no secret", () => {
    expect(told("server", { "etcd-s3-proxy": "https://proxy.example:3128/a@b:c" })).toEqual([]);
  });
});

describe("secret values", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test("are refused by name, each with its message, before anything is said about their values", () => {
    const values = {
      "homespan:topology": "hunter2",
      "homespan:agents": "hunter2",
      "aws:secretKey": "x",
      "homespan:servers": "9",
    };
    const run = (): unknown =>
      settingsOf("ci", values, ["homespan:topology", "homespan:agents", "aws:secretKey"]);
    const refused = (key: string): string =>
      `  - \`${key}\` must not be or hold a secret: it is stored in the clear; remove it with: pulumi config rm homespan:${key}`;
    expect(run).toThrow(
      new pulumi.RunError(
        ["The configuration of stack ci has 2 problems:", refused("agents"), refused("topology")].join("\n"),
      ),
    );
  });

  test("are those the language host names", () => {
    vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", '["homespan:extraConfig"]');
    expect(readSettings).toThrow("`extraConfig` must not be or hold a secret");
    vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", "[]");
    expect(readSettings).not.toThrow("secret");
  });
});

test("defaults", () => {
  expect(checkCiConfig(settingsOf("ci", {})).config).toMatchObject({
    clusterName: "ci",
    servers: 1,
    agents: 2,
    datastore: "sqlite",
    k3sVersion: "v1.35.1+k3s1",
    apiPort: 6443,
  });
  expect(checkCiConfig(settingsOf("ci", {})).config?.registryPort).toBeUndefined();
  expect(checkCiConfig(settingsOf("ci", { "homespan:servers": "3" })).config?.datastore).toBe("etcd");
});

test("a stack may be named otherwise when it says its topology", () => {
  expect(settingsOf("pr-123", { "homespan:topology": "ci" })).toMatchObject({
    stackName: "pr-123",
    topology: "ci",
  });
  expect(() => settingsOf("pr-123", {})).toThrow(
    '`topology` must be a stack of this project (ci, lightsail, homelab), got "pr-123"\n' +
      "It is the stack's name where the configuration does not say homespan:topology.",
  );
});

describe("did you mean", () => {
  test("finds one slip, and nothing far away", () => {
    expect(nearest("sqlit", ["sqlite", "etcd"])).toBe("sqlite");
    expect(nearest("Agents", ["agents"])).toBe("agents");
    expect(nearest("postgres", ["sqlite", "etcd"])).toBeUndefined();
  });

  test("is a distance", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });
});
