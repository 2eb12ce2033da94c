/** Variants of the lightsail stack: the reference pair with ingress in a tailnet that is adopted, then one server where the policy is kept elsewhere. */
import { describe, expect, test } from "vitest";
import { policyMark } from "../../../components/render/tailnet-policy.ts";
import { rehearsalIngress } from "../steps/rehearsal-ingress.ts";
import { upChangesNothing } from "../support/cluster.ts";
import { readyNodes } from "../support/kube.ts";
import { objectsOf } from "../support/podman.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";
import { rehearsedVoters } from "../support/rehearsal-etcd.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const domain = "tail0a1b2c.ts.net";
const servers = ["server-1", "server-2"];
const tailnet = (variant: object): string =>
  `tailnet=${JSON.stringify({ kind: "tailscale", domain, ...variant })}`;

/** The committed file's reference pair, and an agent that must not answer for it. */
const pair = [
  'servers=[{"name":"server-1","bundleId":"large_3_0"},{"name":"server-2","bundleId":"xlarge_3_0"}]',
  'agents=[{"name":"agent-1","bundleId":"medium_3_0"}]',
  "ingress=true",
  "disable=[traefik, metrics-server, local-storage]",
  // A bucket is protected, so that `destroy` would stop at it.
  'snapshots={"bucket":{"kind":"none"}}',
];
const single = [
  'servers=[{"name":"server-1","bundleId":"medium_3_0"}]',
  "disable=[traefik, servicelb, metrics-server, local-storage]",
  'snapshots={"bucket":{"kind":"none"}}',
];

/** A policy with nothing of the cluster's. */
const theirs = `// ours, not Homespan's
{
  "hosts": { "printer": "100.64.200.1" },
  "grants": [{ "src": ["autogroup:member"], "dst": ["printer"], "ip": ["tcp:631"] }],
}
`;

interface Preview {
  readonly diagnostics?: readonly { readonly message: string }[];
}

/** What the owner of the policy does with the part that a preview prints. */
function merged(part: string): string {
  const [, grants = ""] = /"grants": \[([^]*?)\n {2}\],/.exec(part) ?? [];
  expect(grants).not.toBe("");
  return part
    .replace(/^[^\n]*\n/, "// ours, with a cluster in it\n")
    .replace('"hosts": {', '"hosts": { "printer": "100.64.200.1",')
    .replace(
      '"grants": [',
      '"grants": [{ "src": ["autogroup:member"], "dst": ["printer"], "ip": ["tcp:631"] },',
    );
}

export function rehearsalVariants(): void {
  const stack = new RehearsedStack(pair);
  const refused = async (settings: readonly string[]): Promise<string> => {
    const all = settings.flatMap((it) => ["--set", it]);
    const done = await stack.rehearse("up", all, { mayFail: true });
    expect(done.code, done.output).not.toBe(0);
    return done.output;
  };
  /** In the rehearsal's environment, so that the clouds stay to be looked at. */
  const destroyed = async (step: string): Promise<void> => {
    await timed(step, () =>
      stack.homespan(["destroy", "lightsail", "--yes"], { timeoutSeconds: 300 }).then(() => undefined),
    );
    const { instances, staticIps } = await stack.books();
    expect({ ...instances, ...staticIps }).toEqual({});
  };
  const noMachines = async (): Promise<void> => {
    expect((await stack.books()).instances).toEqual({});
    expect((await objectsOf(stack.world)).filter((name) => name.includes("-machine-"))).toEqual([]);
  };
  aroundAllTests(stack);

  describe("in a tailnet whose policy others wrote", () => {
    test("the pair's preview warns of what two servers survive", async () => {
      const sets = [...pair, tailnet({})].flatMap((it) => ["--set", it]);
      const { output } = await stack.rehearse("preview", sets);
      expect(output).toMatch(/`servers`: two servers survive no loss/);
    });

    test("up leaves the policy alone, says what can be done, and makes no machine", async () => {
      await stack.setPolicy(theirs);
      const said = await timed("up, refused by the tailnet", () => refused([...pair, tailnet({})]));
      expect(said).toContain("non-default policy");
      expect(said).toMatch(/fix: .*`tailnet\.adopt: true`/);
      expect(await stack.policy()).toBe(theirs);
      await noMachines();
    });

    test("with adopt the cluster's takes its place, and the pair comes up with its agent", async () => {
      const { output } = await stack.up("the pair and an agent, adopting", [
        ...pair,
        tailnet({ adopt: true }),
      ]);
      expect(output).toMatch(/`servers`: two servers survive no loss/);
      await stack.renewKubeconfig();
      expect(await readyNodes(stack)).toEqual(["agent-1", ...servers]);
      expect((await stack.policy()).split("\n")[0]).toBe(policyMark(stack.name));
      stack.usable = true;
    });
  });

  describe("the pair", () => {
    skipUnlessUsable(stack);

    test("is two voters of unequal size, and pods may run on both", async () => {
      const { instances } = await stack.books();
      const bundles = servers.map((server) => instances[stack.instance(server)]?.bundleId);
      expect(bundles).toEqual(["large_3_0", "xlarge_3_0"]);
      for (const server of servers) {
        await eventually(`both are voters, as ${server} sees them`, 30, async () => {
          expect(await rehearsedVoters(stack, server)).toEqual(servers);
        });
      }
      const taints = await stack.kubectl(["get", "nodes", "--output", "jsonpath={.items[*].spec.taints}"]);
      expect(taints).toBe("");
    });

    rehearsalIngress(stack, { servers, agents: ["agent-1"] });

    test("a second up changes nothing", async () => {
      await upChangesNothing(stack, "nothing to do, adopted");
    });

    test("destroyed, it leaves the policy it set: nobody's is there to go back to", async () => {
      await destroyed("destroy of the pair");
      expect((await stack.policy()).split("\n")[0]).toBe(policyMark(stack.name));
    });
  });

  describe("with a policy that is kept elsewhere", () => {
    const elsewhere = [...single, tailnet({ policy: "elsewhere" })];
    let policy = "";

    skipUnlessUsable(stack);

    test("up makes no machine while the policy does not know the cluster, and says what is missing", async () => {
      await stack.setPolicy(theirs);
      const said = await timed("up, without the cluster in the policy", () => refused(elsewhere));
      expect(said).toMatch(/requested tags .* are invalid or not permitted/);
      expect(said).toMatch(/fix: .*preview lightsail/);
      await noMachines();
    });

    test("a preview prints what the policy has to hold, and with it the server comes up", async () => {
      const sets = elsewhere.flatMap((it) => ["--set", it]);
      const { stdout } = await stack.rehearse("preview", ["--json", ...sets]);
      const told = (JSON.parse(stdout) as Preview).diagnostics ?? [];
      const [part] = told.flatMap(({ message }) => message.split(/has to hold this before `up`:\n/).slice(1));
      policy = merged(part ?? "");
      await stack.setPolicy(policy);
      await stack.up("1 server, with a policy kept elsewhere", elsewhere);
      await stack.renewKubeconfig();
      expect(await readyNodes(stack)).toEqual(["server-1"]);
      expect((await stack.kubectl(["get", "--raw", "/readyz"])).trim()).toBe("ok");
      expect(await stack.policy()).toBe(policy);
      expect((await stack.pulumi(["stack", "export"])).stdout).not.toContain("tailscale:index/acl:Acl");
    });

    test("destroyed, it leaves the policy as its owner wrote it", async () => {
      await destroyed("destroy, with a policy kept elsewhere");
      expect(await stack.policy()).toBe(policy);
    });
  });
}
