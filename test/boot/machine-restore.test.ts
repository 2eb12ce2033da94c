import { describe, test } from "vitest";
import { Machine } from "./machine.ts";

const etcd = "data/rancher/k3s/server/db/etcd/name";
const flag = "data/rancher/k3s/server/db/reset-flag";
const address = "data/etc/rancher/k3s/config.yaml.d/10-address.yaml";

/** What `k3s server --cluster-reset` leaves behind, with each call written down; and the API of what it restored, while a k3s runs. */
const k3s = (ending = ""): string => `#!/bin/sh
cd "$HOMESPAN_ROOT/fake"
if [ "\${0##*/}" = kubectl ]; then
  [ -e alone ] || { echo refused; exit 1; }
  shift
  printf '%s\\n' "$*" >>kubectl
  case $1 in
    get) [ "$2" = --raw ] || cat nodes ;;
    patch) [ ! -e refuses ] || { rm refuses; echo "no leader"; exit 1; } ;;
  esac
  exit 0
fi
case $* in
  *--disable-agent*)
    echo "$*" >>alone
    trap 'rm alone; echo "$*" >>ended; exit 0' TERM
    while :; do /bin/sleep 0.05; done
    ;;
esac
echo "$*" >>"$HOMESPAN_ROOT/fake/resets"
cat "$HOMESPAN_ROOT/${address}" >>"$HOMESPAN_ROOT/fake/resets"
mkdir -p "$HOMESPAN_ROOT/data/rancher/k3s/server/db/etcd"
: >"$HOMESPAN_ROOT/${etcd}"
${ending === "" ? `: >"$HOMESPAN_ROOT/${flag}"` : ending}
`;

async function server(program = k3s()): Promise<Machine> {
  const node = await new Machine().seeded().tailscale();
  node.put("fake/mirror/k3s", program);
  node.put("data/artifacts.conf", "");
  const { renderArtifacts } = await import("../../components/render/machine-files.ts");
  node.put("data/artifacts.conf", renderArtifacts([node.artifact("K3S", program)]));
  node.put(
    "etc/homespan/seed/node.conf",
    "NODE=server-1\nTAILNET_HOSTNAME=ci-server-1\nLOGIN_SERVER=https://control\n",
  );
  node.joinFiles("node-name: server-1\n");
  node.put("data/join.conf", "ROLE=server\nMODE=join\nSERVERS=\nSAN=ci-server-1\n");
  return node
    .put("data/secrets/server-token", "server-token\n")
    .put("data/secrets/agent-token", "agent-token\n");
}

const order = (values: { id?: string; server?: string; from?: string; nodes?: string } = {}): string =>
  `ID=${values.id ?? "a1"}\nSERVER=${values.server ?? "server-1"}\nFROM=${values.from ?? "s3"}\nSNAPSHOT=on-demand-1\n${
    values.nodes === undefined ? "" : `NODES=${values.nodes}\n`
  }`;

describe.concurrent("an order to restore the cluster", () => {
  test("resets the named server's etcd once, before k3s starts, and never again", async ({ expect }) => {
    using node = (await server()).put("data/restore.conf", order(), 0o600);
    expect(await node.boot()).toMatchObject({ exitCode: 0 });
    const [command, ...config] = node.read("fake/resets").trim().split("\n");
    expect(command).toBe("server --cluster-reset --cluster-reset-restore-path=on-demand-1");
    // k3s refuses a reset with a server to join.
    expect(config).toContain("cluster-init: true");
    expect(config.some((line) => line.startsWith("server:"))).toBe(false);
    const acts = node.acts();
    expect(acts.indexOf("stop k3s")).toBeLessThan(acts.indexOf("start k3s"));
    expect(node.has("data/restore.conf")).toBe(false);
    expect(node.read("data/steward/restored")).toBe("a1\n");
    expect(node.read(address)).toContain("cluster-init: true");
    // k3s wants it there, and gets it as a file alone.
    expect(node.read("data/rancher/k3s/server/token")).toBe("server-token\n");
    expect(command).not.toContain("server-token");

    // The same order once more, as after a run that was cut off: it is remembered on the disk.
    node.put("data/restore.conf", order(), 0o600);
    await node.boot();
    expect(node.has("data/restore.conf")).toBe(false);
    expect(node.read("fake/resets").match(/--cluster-reset /g)).toHaveLength(1);
    node.put("data/restore.conf", order({ id: "b2" }), 0o600);
    await node.boot();
    expect(node.read("fake/resets").match(/--cluster-reset /g)).toHaveLength(2);
  });

  test("takes a snapshot of the server's own disk without asking the bucket for it", async ({ expect }) => {
    using node = (await server()).put("data/restore.conf", order({ from: "local" }), 0o600);
    node.put("data/rancher/k3s/server/db/snapshots/on-demand-1", "content");
    await node.boot();
    expect(node.read("fake/resets")).toContain(
      "--etcd-s3=false --cluster-reset-restore-path=/var/lib/rancher/k3s/server/db/snapshots/on-demand-1\n",
    );
  });

  test("makes every other server forget its etcd and join, its own snapshots aside", async ({ expect }) => {
    using node = (await server()).put("data/restore.conf", order({ server: "server-2" }), 0o600);
    node.put("data/join.conf", "ROLE=server\nMODE=join\nSERVERS=ci-server-2.net\nSAN=ci-server-1\n");
    node.put(etcd, "old").put("data/rancher/k3s/server/tls/server-ca.crt", "old");
    node.put("data/rancher/k3s/server/db/snapshots/mine", "kept");
    await node.boot(3);
    expect(node.has(etcd)).toBe(false);
    expect(node.has("data/rancher/k3s/server/tls")).toBe(false);
    expect(node.has("data/rancher/k3s/server/db/snapshots/mine")).toBe(true);
    expect(node.has("fake/resets")).toBe(false);
    expect(node.read("data/steward/restored")).toBe("a1\n");
  });

  test("lets no k3s that waits for the first server be taken for one that somebody stopped", async ({
    expect,
  }) => {
    using node = (await server()).put("data/restore.conf", order({ server: "server-2" }), 0o600);
    node.put("data/join.conf", "ROLE=server\nMODE=join\nSERVERS=ci-server-2.net\nSAN=ci-server-1\n");
    node.put(etcd, "old").put("fake/units/k3s.service", "active 1\n");
    await node.boot(3);
    expect(node.read("data/steward/restored")).toBe("a1\n");
    expect(node.unit("k3s.service")).toBe("inactive");
    // Tailscaled crashes, and the sequence begins anew; then the first server is there.
    await node.boot(3);
    expect(node.has("data/steward/k3s.stopped")).toBe(false);
    node.put("data/join.conf", "ROLE=server\nMODE=single\nSERVERS=\nSAN=\n");
    await node.boot();
    expect(node.unit("k3s.service")).toBe("active");
    // One that is stopped after that stays so, and so does one that is stopped in words meanwhile.
    node.put("fake/units/k3s.service", "inactive 2\n");
    await node.boot();
    expect(node.has("data/steward/k3s.stopped")).toBe(true);
    node.put("fake/units/k3s.service", "inactive 1\n");
    await node.boot();
    expect(node.has("data/steward/k3s.stopped")).toBe(true);
    expect(node.stages()["k3s"]?.error).toContain("stopped on purpose");
  });

  test("starts a k3s that `restore` stopped, and is begun again after a failure, which it names", async ({
    expect,
  }) => {
    const program = k3s(
      'echo \'level=fatal msg="no such snapshot"\'; [ -e "$HOMESPAN_ROOT/fake/second" ] && : >"$HOMESPAN_ROOT/' +
        flag +
        '" && exit 0; : >"$HOMESPAN_ROOT/fake/second"; exit 1',
    );
    using node = (await server(program)).put("data/restore.conf", order(), 0o600);
    node.put("data/steward/k3s.stopped", "");
    const result = await node.boot();
    expect(node.read("fake/resets").match(/--cluster-reset /g)).toHaveLength(2);
    expect(result.stderr).toContain("no such snapshot");
    expect(node.has("data/steward/k3s.stopped")).toBe(false);
    expect(node.unit("k3s.service")).toBe("active");
  });

  test("takes out Nodes of other machines than there are, by a k3s that nobody can join", async ({
    expect,
  }) => {
    using node = await server();
    const nodes = "server-1= server-2=100.64.0.7 server-3=100.64.0.9 agent-1=100.64.0.4 agent-2=";
    node.put("data/restore.conf", order({ nodes }), 0o600);
    node.put(
      "fake/nodes",
      "server-1=100.64.0.1\nserver-2=100.64.0.2\nserver-3=100.64.0.9\nagent-1=100.64.0.4\nagent-2=\nstranger=100.64.0.8\n",
    );
    // As in a k3s whose leader is about to come: the whole restore is begun again.
    node.put("fake/refuses", "");
    const result = await node.boot();
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stderr).toContain("other machines than there are as server-1 server-2 agent-2:");
    const asked = node.read("fake/kubectl").trim().split("\n");
    const second = asked.slice(asked.findLastIndex((call) => call === "get --raw /readyz"));
    const finalizers = `--type=merge --patch={"metadata":{"finalizers":null}}`;
    expect(second.slice(2, -1)).toEqual([
      ...["server-1", "server-2", "agent-2"].map((gone) => `patch node ${gone} ${finalizers}`),
      "delete node server-1 server-2 agent-2 --timeout=20s",
      "delete secret --namespace=kube-system --ignore-not-found server-1.node-password.k3s server-2.node-password.k3s agent-2.node-password.k3s",
    ]);
    expect(second.at(-1)).toContain("delete lease");
    // It has ended before k3s starts for all.
    const alone = "server --disable-agent --bind-address=127.0.0.1\n";
    expect(node.read("fake/ended")).toBe(alone.repeat(2));
    expect(node.has("fake/alone")).toBe(false);
    expect(node.read("fake/resets").match(/--cluster-reset /g)).toHaveLength(2);
    expect(node.unit("k3s.service")).toBe("active");
  });

  test("believes k3s that it was done, however it ended, and no flag alone", async ({ expect }) => {
    const ended = `: >"$HOMESPAN_ROOT/${flag}"
[ -e second ] && echo 'level=error msg="Shutdown request received: Managed etcd cluster membership has been reset, restart"'
: >second; exit 1`;
    using node = (await server(k3s(ended))).put("data/restore.conf", order(), 0o600);
    node.put("data/rancher/k3s/server/tls/dynamic-cert.json", "of an authority that is no more");
    expect(await node.boot()).toMatchObject({ exitCode: 0 });
    expect(node.read("fake/resets").match(/--cluster-reset /g)).toHaveLength(2);
    expect(node.has("data/rancher/k3s/server/tls/dynamic-cert.json")).toBe(false);
    expect(node.read("data/steward/restored")).toBe("a1\n");
  });
});
