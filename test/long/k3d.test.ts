/**
 * A pool of k3d on Podman's socket, by the commands of docs/podman.md as they stand there, under names and ports of its own.
 * Run: ./homespan test --long k3d
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { K3dCluster } from "../../bench/support/k3d.ts";
import { optionalImages } from "../../components/upstream/images.ts";
import { repository, run } from "../e2e/support/command.ts";
import { buildGreeting } from "../e2e/support/greeting.ts";
import { podman } from "../e2e/support/podman.ts";
import { timed } from "../e2e/support/report.ts";

const name = "hs-edge";
const registryPort = 17661;
const pool = new K3dCluster(name, name);
const nodes = ["server-0", "agent-0", "agent-1"].map((node) => `k3d-${name}-${node}`);
const pushed = `localhost:${String(registryPort)}/greeting:1`;
const greeting = `greeting-${String(process.pid)}`;

/** The one command of the page that begins like this, as words, with this test's names in place of the page's. */
function fromThePage(beginning: string): string[] {
  const page = readFileSync(`${repository}docs/podman.md`, "utf8");
  const section = page.split("\n## ").find((part) => part.startsWith("A pool with k3d")) ?? "";
  const found = section.split("\n").filter((line) => line.startsWith(`    ${beginning}`));
  expect(found, beginning).toHaveLength(1);
  return (found[0] ?? "")
    .trim()
    .replaceAll(/\bedge\b/g, name)
    .replaceAll("5111", String(registryPort))
    .replaceAll("6550", "17662")
    .replaceAll("app:1", "greeting:1")
    .split(" ");
}

/** k3d with the page's arguments and, where no registry is reached or the machine wants more, some at their end. */
async function k3d(beginning: string, more: readonly string[] = []): Promise<void> {
  const [program, ...args] = fromThePage(`k3d ${beginning}`);
  expect(program).toBe("k3d");
  await timed(`k3d ${args.slice(0, 2).join(" ")}`, () => pool.k3d([...args, ...more]));
}

async function exists(container: string): Promise<boolean> {
  return (await podman(["container", "exists", container], { mayFail: true })).code === 0;
}

beforeAll(async () => {
  const groups = ["--group", "bench", "--group", "registry"];
  await run(`${repository}homespan`, ["toolchain", "--prepare", ...groups, "--yes"], {
    timeoutSeconds: 1500,
  });
  await pool.prepare();
});

afterAll(async () => {
  await pool.k3d(["registry", "delete", `k3d-${name}`]).catch(() => "there was none");
  await pool.cleanUp();
  await podman(["rmi", "--force", pushed], { mayFail: true });
});

test("a network made by Podman has names", async () => {
  const text = (await podman(["network", "inspect", name])).stdout;
  expect(JSON.parse(text)).toMatchObject([{ dns_enabled: true }]);
});

test("a registry and a pool come up on Podman's socket", async () => {
  await k3d("registry create", ["--image", optionalImages.registry]);
  await k3d("cluster create", pool.machineArguments());
  await pool.kubectl(["wait", "--for=condition=Ready", "--timeout=50s", ...nodes.map((it) => `node/${it}`)]);
});

test("what is pushed under the machine's name runs on every node under the pool's", async () => {
  await buildGreeting(pushed, greeting);
  const [, ...push] = fromThePage("podman push");
  expect(push.at(-1)).toBe(pushed);
  await podman(push);
  const image = fromThePage("kubectl run").at(-1);
  const items = nodes.map((nodeName) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: `on-${nodeName}` } },
    spec: { nodeName, containers: [{ name: "greeting", image, imagePullPolicy: "Always" }] },
  }));
  await pool.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  const pods = items.map(({ metadata }) => `pod/${metadata.name}`);
  await pool.kubectl(["wait", "--for=condition=Ready", "--timeout=50s", ...pods]);
  for (const pod of pods) expect((await pool.kubectl(["logs", pod])).trim(), pod).toBe(greeting);
});

test("the registry outlives the pool, and both go by the page's commands", async () => {
  await k3d("cluster delete");
  for (const node of nodes) expect(await exists(node), node).toBe(false);
  expect(await exists(`k3d-${name}`)).toBe(true);
  await k3d("registry delete");
  expect(await exists(`k3d-${name}`)).toBe(false);
});
