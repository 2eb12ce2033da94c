import { describe, test } from "vitest";
import { World } from "./world.ts";

const subnet = "rancher/k3s/agent/pod-subnet";
const taken =
  "set --accept-routes --snat-subnet-routes=false --netfilter-mode=nodivert --advertise-routes=10.42.3.0/24";
const takenBack = "set --accept-routes=false --snat-subnet-routes --netfilter-mode=on --advertise-routes=";

function node(podNetwork = "POD_NETWORK=routes\n"): World {
  const world = new World().hostFiles().joinFiles("server", "single");
  return world.put("join.conf", `${world.read("join.conf")}${podNetwork}`);
}

/** What tailscale was told beside logins: `set ...`. */
const told = (world: World): string[] =>
  world.log().flatMap((line) => / tailscale (set .*)$/.exec(line)?.[1] ?? []);

describe.concurrent("pods without VXLAN", () => {
  test("the node announces the network that flannel names, after k3s was started", async ({ expect }) => {
    using world = node().set("subnet", "10.42.3.0/24\n").at(5, `put subnet ${subnet}`);
    world.put("rancher/k3s/agent/kubelet.kubeconfig", "");
    await world.run(20);
    expect(told(world)).toEqual([taken]);
    const log = world.log();
    expect(log.findIndex((line) => line.endsWith(taken))).toBeGreaterThan(log.indexOf("event put subnet"));
    expect(world.read("boot/routes")).toBe("10.42.3.0/24\n");
    expect(world.stages()["k3s"]).toMatchObject({ state: "done", attempts: 1 });
  });

  test("a node whose pods have another network announces that one, within seconds", async ({ expect }) => {
    using world = node().put(subnet, "10.42.3.0/24\n").set("other", "10.42.7.0/24\n");
    world.at(10, `put other ${subnet}`);
    await world.run(20);
    expect(told(world)).toEqual([taken, taken.replace("10.42.3", "10.42.7")]);
    expect(world.read("boot/routes")).toBe("10.42.7.0/24\n");
    // k3s has not changed, so it runs on.
    expect(world.acts().filter((act) => act === "stop k3s")).toHaveLength(1);
  });

  test("k3s runs on when tailscaled is started again: there is no device of flannel's to lose", async ({
    expect,
  }) => {
    using world = node().put(subnet, "10.42.3.0/24\n").at(10, "restarted tailscale");
    await world.run(30);
    expect(told(world)).toEqual([taken, taken]);
    const acts = world.acts();
    expect(
      acts.slice(acts.indexOf("event restarted tailscale")).filter((act) => act.includes("k3s")),
    ).toEqual([
      // The end of the test.
      "stop k3s",
    ]);
  });

  test.for(["", "10.42.3.0", "10.42.3.0/24 --accept-routes", "10.42.3.0/24/1"])(
    "%j is no network: nothing is announced, and the stage says what it waits for",
    async (text, { expect }) => {
      using world = node().put(subnet, `${text}\n`).at(4, "jump 118");
      await world.run(125);
      expect(told(world)).toEqual([]);
      expect(world.stages()["k3s"]).toMatchObject({
        state: "failed",
        error: "flannel has not said which network the pods of this node are in",
      });
    },
  );

  test("a login after the first one keeps what was announced: `up` would refuse to go back on it", async ({
    expect,
  }) => {
    using world = node().put(subnet, "10.42.3.0/24\n").put("boot/routes", "10.42.3.0/24\n");
    await world.run(5);
    expect(world.log().join("\n")).toContain(
      "tailscale up --auth-key=file:/dev/stdin --hostname=ci-agent-1 --accept-dns --accept-routes --snat-subnet-routes=false " +
        "--netfilter-mode=nodivert --advertise-routes=10.42.3.0/24 --timeout=60s",
    );
  });

  test("back to VXLAN, all of it is taken back, once; without it nothing is said", async ({ expect }) => {
    using world = node("").put("boot/routes", "10.42.3.0/24\n").put(subnet, "10.42.3.0/24\n");
    await world.run(5);
    expect(told(world)).toEqual([takenBack]);
    expect(world.has("boot/routes")).toBe(false);

    using plain = node("");
    await plain.run(5);
    expect(told(plain)).toEqual([]);
  });
});
