/** What a machine with Fedora CoreOS is installed with, from a preview; and that it is waited for. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InputError } from "../../cli/errors.ts";
import { awaited, firstConfiguration, installedType } from "../../cli/installed-machines.ts";
import { unknownValue } from "../../cli/node-files.ts";
import { applySettings } from "../../cli/settings.ts";
import { checkpointFile } from "../../cli/state.ts";
import { ignition } from "../../cli/verbs/ignition.ts";
import { recreate } from "../../cli/verbs/recreate.ts";
import { up } from "../../cli/verbs/up.ts";
import { withCluster } from "./bed.ts";
import { bed, ci, failure, once } from "./verb-support.ts";

const config = '{"ignition":{"version":"3.4.0"}}\n';
const preview = (text = config, device?: string): string =>
  JSON.stringify({
    steps: [
      { op: "create", urn: "urn:x", newState: { type: "pulumi:pulumi:Stack" } },
      {
        ...{ op: "create", urn: "urn:y" },
        newState: {
          type: installedType,
          inputs: {
            ...{ nodeName: "metal-1", firstConfiguration: text },
            ...(device === undefined ? {} : { device }),
          },
        },
      },
    ],
  });
const given = (text: string, json = false) => {
  const made = bed({ json });
  made.environment["FAKE_PREVIEW"] = made.file("preview.json", text);
  return made;
};

describe("ignition", () => {
  test("prints it as it is, and makes nothing", async () => {
    const made = given(preview());
    await ignition(made.context, ci, "metal-1", { settings: [] });
    expect(made.printed).toEqual([config.trimEnd()]);
    expect(made.calls().filter((call) => /\|(up|destroy) /.test(call))).toEqual([]);
  });

  test("writes it, and says how the medium is made and what that does", async () => {
    const made = given(preview(config, "/dev/disk/by-id/nvme-1"));
    const file = join(made.folder, "metal-1.ign");
    await ignition(made.context, ci, "metal-1", { settings: [], write: file });
    expect(readFileSync(file, "utf8")).toBe(config);
    expect(made.printed).toEqual([]);
    const said = made.said.join("\n");
    expect(said).toContain(
      `coreos-installer iso customize --dest-device /dev/disk/by-id/nvme-1 --dest-ignition ${file} -o metal-1.iso`,
    );
    expect(said).toContain("loses everything on /dev/disk/by-id/nvme-1, without being asked");
  });

  test("is one object under --json", async () => {
    const made = given(preview(), true);
    await ignition(made.context, ci, "metal-1", { settings: [] });
    expect(JSON.parse(made.printed[0] ?? "")).toEqual({
      ...{ stack: "ci", node: "metal-1", device: null, ignition: config },
    });
  });

  test("says what to run first while the cluster's key is not there, and writes nothing", async () => {
    const made = given(preview(`{"key":"${unknownValue}"}`));
    const file = join(made.folder, "metal-1.ign");
    const error = await failure(ignition(made.context, ci, "metal-1", { settings: [], write: file }));
    expect(error.message).toMatch(/^the key that lets the cluster in .*run: \.\/homespan up ci\n/);
    expect(existsSync(file)).toBe(false);
  });

  test("of a node of another kind names those that are right", () => {
    const asked = (text: string, node: string) => () => firstConfiguration(text, node, "homelab");
    expect(asked(preview(), "metal-2")).toThrow(InputError);
    expect(asked(preview(), "metal-2")).toThrow(
      '<node> must be a node with `coreos`: metal-1, got "metal-2"; did you mean "metal-1"?',
    );
    expect(asked('{"steps":[]}', "pi")).toThrow(
      '<node> must be a node with `coreos`, and homelab has none, got "pi"',
    );
  });
});

test("recreate --node takes the node off its machine, and says that its data go", async () => {
  const made = withCluster(bed({ yes: false, answer: false }));
  await up(made.context, ci, { ...once, settings: [] }).catch(() => undefined);
  const file = checkpointFile(made.context.paths, "homespan", "ci");
  const inputs = { nodeName: "metal-1" };
  const state = { resources: [{ urn: "urn:machine", type: installedType, inputs }] };
  writeFileSync(file, JSON.stringify({ version: 3, checkpoint: { latest: state } }));
  const error = await failure(recreate(made.context, ci, { ...once, node: "metal-1" }));
  expect(error.message).toBe("nothing was changed");
  expect(made.said).toContain(
    "metal-1 will be removed from the cluster with all data on its machine, then made again under the same name",
  );
});

test("up says at once which machines it waits for, of those that nobody has talked to", () => {
  const agents = 'agents=[{"coreos":{"address":"192.168.1.60"}},{"name":"pi","existing":{"address":"a"}}]';
  const servers = 'servers=[{"name":"metal-1","coreos":{"address":"metal-1.local"}}]';
  const file = applySettings({ config: {} }, [agents, servers]);
  const line = (name: string, address: string): string =>
    `${name} is waited for at ${address}, while everything else goes on; if it is not installed yet: ./homespan ignition ${name} homelab`;
  expect(awaited(file, [], "homelab")).toEqual([
    line("metal-1", "metal-1.local"),
    line("agent-1", "192.168.1.60"),
  ]);
  const known = [{ urn: "urn:x", type: installedType, inputs: { nodeName: "metal-1" } }];
  expect(awaited(file, known, "homelab")).toEqual([line("agent-1", "192.168.1.60")]);
  expect(awaited({ config: {} }, [], "homelab")).toEqual([]);
});
