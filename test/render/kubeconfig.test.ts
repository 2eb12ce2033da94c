import { expect, test } from "vitest";
import { parse } from "yaml";
import { kubeconfigThrough } from "../../components/render/kubeconfig.ts";

const user = { "client-certificate-data": "QQ==", "client-key-data": "Qg==" };
const made = (cluster: Record<string, unknown>): string =>
  JSON.stringify({
    ...{ apiVersion: "v1", kind: "Config", "current-context": "prod", users: [{ name: "prod", user }] },
    contexts: [{ name: "prod", context: { cluster: "prod", user: "prod" } }],
    clusters: [{ name: "prod", cluster }],
  });
const server = "https://prod-server-1.tailnet.example.com:6443";

test.each([[{ server, "proxy-url": "http://127.0.0.1:1" }], [{ server }]])(
  "%j: another proxy takes the place of whichever there is, all else stays",
  (cluster) => {
    const through = kubeconfigThrough(made(cluster), "http://127.0.0.1:41080");
    expect(parse(through)).toEqual(JSON.parse(made({ server, "proxy-url": "http://127.0.0.1:41080" })));
  },
);

test.each(["", "users: []", "clusters: []"])("%j is no kubeconfig", (text) => {
  expect(() => kubeconfigThrough(text, "http://127.0.0.1:1")).toThrow(RangeError);
});
