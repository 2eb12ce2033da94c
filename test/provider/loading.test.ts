/** When a server loads its resources, which are two thirds of what there is to load. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resource } from "../../provider/server/resource.ts";
import { z } from "zod";
import { ProviderClient } from "./client.ts";

let client: ProviderClient;
beforeEach(() => {
  client = new ProviderClient();
});
afterEach(() => {
  client.stop();
});

const nothing = resource({
  type: "homespan:index:Nothing",
  inputs: z.strictObject({}),
  outputs: z.strictObject({}),
  secretOutputs: [],
  replaceOn: [],
  createOnly: [],
  create: () => Promise.resolve({ id: "nothing", outputs: {} }),
  read: (state) => Promise.resolve(state),
  update: (state) => Promise.resolve(state),
  delete: () => Promise.resolve(),
});

describe("a server that loads its resources", () => {
  it("does so when it is configured, once, and never to check a configuration", async () => {
    let loads = 0;
    await client.serveResources(() => {
      loads += 1;
      return Promise.resolve([nothing]);
    });
    await client.checkConfig();
    await client.diffConfig();
    expect(loads).toBe(0);
    await client.configure();
    await expect.poll(() => loads).toBe(1);
    expect(await client.create("Nothing", {})).toEqual({ id: "nothing", state: {} });
    await expect(client.check("Other", {})).rejects.toThrow("must be a resource of the homespan provider");
    expect(loads).toBe(1);
  });

  it("does so when a resource is asked for first, as by a preview that configures nothing", async () => {
    await client.serveResources(() => Promise.resolve([nothing]));
    expect(await client.check("Nothing", {})).toEqual({ inputs: {}, problems: [] });
  });

  it("tells whoever needs a resource why none could be loaded, and stays", async () => {
    await client.serveResources(() => Promise.reject(new Error("no such module")));
    await client.configure();
    await expect(client.check("Nothing", {})).rejects.toThrow("no such module");
    await expect(client.read("Nothing", { id: "1" })).rejects.toThrow("no such module");
    expect((await client.checkConfig()).getFailuresList()).toEqual([]);
  });

  it("has loaded neither them nor what checks their inputs before", async () => {
    const script = `
      import { registerHooks } from "node:module";
      const files = [];
      registerHooks({ load: (url, context, next) => (files.push(url), next(url, context)) });
      await import(process.argv[1] + "/provider/server/serve.ts");
      console.log(JSON.stringify(files));
    `;
    const args = ["--input-type=module", "--eval", script, join(import.meta.dirname, "../..")];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const files = JSON.parse(stdout) as string[];
    const early = files.filter((file) => /\/zod\/|\/provider\/(resources|effects|logic)\//.test(file));
    expect(files.some((file) => file.endsWith("/provider/server/service.ts"))).toBe(true);
    expect(early).toEqual([]);
  });
});
