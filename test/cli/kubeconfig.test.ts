/** `kubeconfig --merge`: what becomes of the user's own file. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { prepareStack } from "../../cli/state.ts";
import { kubeconfig } from "../../cli/verbs/kubeconfig.ts";
import { findCommand } from "../../toolchain/machine.ts";
import { type Bed, outputs, withCluster } from "./bed.ts";
import { bed, ci, failure } from "./verb-support.ts";

/** A kubeconfig with one cluster for each name, whose token tells where it comes from. */
function configOf(token: string, ...names: readonly string[]): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: names.map((name) => ({ name, cluster: { server: `https://${token}.example:6443` } })),
    contexts: names.map((name) => ({ name, context: { cluster: name, user: name } })),
    users: names.map((name) => ({ name, user: { token } })),
    "current-context": names[0],
  });
}

/** The token of each user, by name. */
function tokensIn(file: string): Record<string, string> {
  const { users } = parse(readFileSync(file, "utf8")) as {
    users: readonly { name: string; user: { token: string } }[];
  };
  return Object.fromEntries(users.map(({ name, user }) => [name, user.token]));
}

const modeOf = (file: string): number => statSync(file).mode & 0o777;

/** @param env what is beside HOME, which is the bed's own folder */
async function ready(env: Readonly<Record<string, string>> = {}, json = false): Promise<Bed> {
  const made = withCluster(bed({ env, json }));
  made.environment["FAKE_OUTPUTS"] = made.file("own.json", { ...outputs, kubeconfig: configOf("new", "ci") });
  await prepareStack(made.context, ci, []);
  return made;
}

/** The usual file of the bed's user. */
function ownFile(made: Bed, text: string): string {
  const file = join(made.folder, ".kube", "config");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o644 });
  return file;
}

const real = findCommand("kubectl", process.env["PATH"]);

describe.each(["a stand-in", "the kubectl on PATH"])("kubeconfig --merge with %s", (which) => {
  const missing = which !== "a stand-in" && real === undefined;
  const begin = async (): Promise<Bed> => {
    const made = await ready();
    if (which !== "a stand-in") {
      mkdirSync(made.context.paths.bin, { recursive: true });
      symlinkSync(real ?? "", join(made.context.paths.bin, "kubectl"));
    }
    return made;
  };

  test.skipIf(missing)("keeps what others are in the file, and replaces the one of that name", async () => {
    const made = await begin();
    const before = configOf("old", "work", "ci");
    const file = ownFile(made, before);
    await kubeconfig(made.context, ci, { merge: true });
    expect(tokensIn(file)).toEqual({ ci: "new", work: "old" });
    const merged = parse(readFileSync(file, "utf8")) as Record<string, readonly { name: string }[]>;
    for (const kind of ["clusters", "contexts"]) {
      expect(merged[kind]?.map(({ name }) => name).sort()).toEqual(["ci", "work"]);
    }
    expect(merged["current-context"]).toBe("ci");
    expect(readFileSync(`${file}.before-homespan`, "utf8")).toBe(before);
    expect(made.said.at(-1)).toBe(`merged into ${file}`);
  });

  test.skipIf(missing)("refuses a file that cannot be read as one, and leaves it as it was", async () => {
    const made = await begin();
    const file = ownFile(made, "clusters: [");
    const error = await failure(kubeconfig(made.context, ci, { merge: true }));
    expect(error.exitCode).toBe(1);
    expect(error.message).toContain(`could not merge the cluster into ${file}, which is as it was: `);
    expect(error.message).toContain("error loading config file");
    expect(readFileSync(file, "utf8")).toBe("clusters: [");
    expect(modeOf(file)).toBe(0o644);
    expect(readdirSync(dirname(file))).toEqual(["config"]);
  });
});

describe("the file that kubeconfig --merge writes", () => {
  test("is its owner's alone, as are the new folder and what kubectl is given", async () => {
    const made = await ready();
    const file = join(made.folder, ".kube", "config");
    await kubeconfig(made.context, ci, { merge: true });
    expect(tokensIn(file)).toEqual({ ci: "new" });
    expect([modeOf(file), modeOf(dirname(file))]).toEqual([0o600, 0o700]);
    expect(readdirSync(dirname(file))).toEqual(["config"]);
    expect(made.calls()).toContain("kubectl|600|config view --flatten");
    expect(readdirSync(made.context.paths.temporary)).toEqual([]);
  });

  test("lets nobody else read what the second merge keeps of the first", async () => {
    const made = await ready();
    const file = ownFile(made, configOf("old", "work"));
    await kubeconfig(made.context, ci, { merge: true });
    expect([modeOf(file), modeOf(`${file}.before-homespan`)]).toEqual([0o600, 0o644]);
    await kubeconfig(made.context, ci, { merge: true });
    expect([modeOf(file), modeOf(`${file}.before-homespan`)]).toEqual([0o600, 0o600]);
    expect(tokensIn(file)).toEqual({ ci: "new", work: "old" });
  });

  test("is the first that KUBECONFIG names; others stay as they are", async () => {
    const made = await ready();
    const usual = ownFile(made, configOf("usual", "home"));
    const [first, second] = [join(made.folder, "some", "first"), made.file("second", configOf("old", "ci"))];
    // kubectl passes over an empty name as well.
    made.environment["KUBECONFIG"] = ["", first, second].join(delimiter);
    await kubeconfig(made.context, ci, { merge: true });
    expect(tokensIn(first)).toEqual({ ci: "new" });
    expect(tokensIn(second)).toEqual({ ci: "old" });
    expect(tokensIn(usual)).toEqual({ home: "usual" });
    expect(existsSync(`${second}.before-homespan`)).toBe(false);
  });

  test("is the one that a link leads to", async () => {
    const made = await ready();
    const file = made.file("kept-elsewhere", configOf("old", "work"));
    const link = join(made.folder, ".kube", "config");
    mkdirSync(dirname(link));
    symlinkSync(file, link);
    await kubeconfig(made.context, ci, { merge: true });
    expect(lstatSync(link).isSymbolicLink() && readlinkSync(link)).toBe(file);
    expect(tokensIn(file)).toEqual({ ci: "new", work: "old" });
  });

  test.skipIf(process.getuid?.() !== 0)(
    "stays its owner's when root writes it, with what is kept",
    async () => {
      const made = await ready();
      const file = ownFile(made, configOf("old", "work"));
      chownSync(file, 65_534, 65_534);
      chmodSync(file, 0o600);
      await kubeconfig(made.context, ci, { merge: true });
      for (const path of [file, `${file}.before-homespan`]) {
        const { uid, gid } = statSync(path);
        expect([uid, gid, modeOf(path)]).toEqual([65_534, 65_534, 0o600]);
      }
    },
  );

  test("is named with --json", async () => {
    const made = await ready({}, true);
    await kubeconfig(made.context, ci, { merge: true });
    expect(JSON.parse(made.printed[0] ?? "")).toEqual({
      stack: "ci",
      path: join(made.folder, ".kube", "config"),
    });
  });
});

test("kubeconfig --merge without a kubectl says how to get one", async () => {
  const made = await ready();
  const file = ownFile(made, configOf("old", "work"));
  const pulumi = join(made.folder, "only-pulumi");
  mkdirSync(pulumi);
  symlinkSync(findCommand("pulumi", made.environment["PATH"]) ?? "", join(pulumi, "pulumi"));
  for (const tool of ["sh", "cat"]) symlinkSync(findCommand(tool, "/usr/bin:/bin") ?? "", join(pulumi, tool));
  made.environment["PATH"] = pulumi;
  const error = await failure(kubeconfig(made.context, ci, { merge: true }));
  expect(error.message).toBe("kubectl is not installed yet; run: ./homespan toolchain --prepare");
  expect(tokensIn(file)).toEqual({ work: "old" });
});
