import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { registryName, renderRegistries, renderRegistryConfig } from "../../components/render/registry.ts";

test("registries.yaml leads from the pushed name to the registry's address", async () => {
  const text = renderRegistries({ [registryName(5001)]: ["http://10.90.0.11:5000"] });
  await expect(text).toMatchFileSnapshot("golden/registries.yaml");
  expect(parse(text)).toEqual({
    mirrors: { "localhost:5001": { endpoint: ["http://10.90.0.11:5000"] } },
  });
});

test("mirrors keep their order, and * is text", () => {
  const addresses = ["https://b.example.com", "https://a.example.com:5000/cache"];
  expect(parse(renderRegistries({ "*": addresses, "docker.io": addresses }))).toEqual({
    mirrors: { "*": { endpoint: addresses }, "docker.io": { endpoint: addresses } },
  });
});

test("whatever the port, the name stays one key of text", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65535 }), (port) => {
      const name = registryName(port);
      const read = parse(renderRegistries({ [name]: ["http://10.0.0.1:5000"] })) as {
        mirrors: Record<string, unknown>;
      };
      expect(Object.keys(read.mirrors)).toEqual([`localhost:${String(port)}`]);
    }),
  );
});

test("the registry keeps its files on its volume, lets images be deleted, and listens on every address", async () => {
  const text = renderRegistryConfig();
  await expect(text).toMatchFileSnapshot("golden/registry.yml");
  expect(parse(text)).toEqual({
    version: 0.1,
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: "/var/lib/registry" }, delete: { enabled: true } },
    http: { addr: ":5000" },
  });
});
