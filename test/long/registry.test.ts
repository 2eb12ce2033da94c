/**
 * The image registry of a ci stack: what is pushed on this machine runs on both sites under the same name, a registry that was
 * removed comes back with what was pushed. Run: ./homespan test --long registry
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Cluster, changesNothing } from "../e2e/support/cluster.ts";
import { objectsOf, podman, underlayAddress } from "../e2e/support/podman.ts";
import { digestAt, pushGreeting, runOnNodes } from "../e2e/support/pushed-image.ts";
import { eventually } from "../e2e/support/wait.ts";

const apiPort = 17643;
const ports = [17651, 17652] as const;
const nodes = ["server-1", "agent-1"];
const greeting = `greeting-${String(process.pid)}`;
const cluster = new Cluster({ name: "reg", apiPort, settings: { agents: 1, registryPort: ports[0] } });

const name = "greeting:1";
const nameAt = (port: number): string => `localhost:${String(port)}/${name}`;

afterAll(async () => {
  await cluster.cleanUp();
  await podman(["rmi", "--force", nameAt(ports[0])], { mayFail: true });
});

const runOnBothSites = (step: string, image: string, digest: string): Promise<void> =>
  runOnNodes(cluster, nodes, { step, image, digest, text: greeting });

test("a port that is taken is named before anything is made", async () => {
  const server = createServer();
  server.listen(ports[0], "127.0.0.1");
  await once(server, "listening");
  try {
    const args = ["--set", `apiPort=${String(apiPort)}`, "--set", `registryPort=${String(ports[0])}`];
    const done = await cluster.homespan("up", args, { mayFail: true });
    expect(done.code).toBe(2);
    expect(done.output).toContain(`\`registryPort\` must be free, got ${String(ports[0])} in use`);
    expect(await objectsOf(cluster.name)).toEqual([]);
  } finally {
    server.close();
  }
});

test("up makes it, and says how images get into it", async () => {
  const done = await cluster.up("one server, one agent, a registry");
  const command = `podman push --tls-verify=false localhost:${String(ports[0])}/NAME:TAG`;
  expect(done.output).toContain(command);
  expect((await cluster.homespan("status")).output).toContain(command);
  cluster.usable = true;
});

describe("a running registry", () => {
  let digest = "";
  beforeEach((context) => {
    context.skip(!cluster.usable, "the cluster did not come up");
  });

  test("what is pushed by the printed command runs on both sites, under the same name", async () => {
    const said = (await cluster.homespan("status")).output;
    digest = await pushGreeting(said, ports[0], name, greeting);
    await runOnBothSites("pushed", nameAt(ports[0]), digest);
  });

  test("a second up changes nothing", async () => {
    expect(changesNothing(await cluster.preview())).toBe(true);
  });

  test("stopped by hand, it is found by a preview; removed by hand, up brings it back with what was pushed", async () => {
    const container = `homespan-${cluster.name}-registry`;
    await podman(["stop", "--time=2", container]);
    expect((await cluster.preview())["update"]).toBe(1);
    await podman(["rm", "--force", container]);
    await cluster.up("the registry again");
    expect(await digestAt(ports[0], name)).toBe(digest);
    await runOnBothSites("healed", nameAt(ports[0]), digest);
  });

  test("another port is another name for the nodes, whose k3s starts again for it", async () => {
    await cluster.up("another registry port", { registryPort: ports[1] });
    expect(await digestAt(ports[1], name)).toBe(digest);
    await eventually("both nodes know the new name", 90, () =>
      runOnBothSites("moved", nameAt(ports[1]), digest),
    );
    expect(changesNothing(await cluster.preview())).toBe(true);
  });

  test("a mirror is told to the nodes, and they pull from it what another name stands in front of", async () => {
    const address = await underlayAddress(`homespan-${cluster.name}-registry`);
    const registryMirrors = JSON.stringify({ "images.example": [`http://${address}:5000`] });
    await cluster.up("a mirror", { registryMirrors });
    await eventually("both nodes know the mirror", 90, () =>
      runOnBothSites("mirrored", `images.example/${name}`, digest),
    );
    expect(changesNothing(await cluster.preview())).toBe(true);
  });

  test("destroy takes it, and what was pushed", async () => {
    await cluster.destroy("with a registry");
    expect(await objectsOf(cluster.name)).toEqual([]);
  });
});
