/** The lightsail stack in the tailnet of a Headscale that its user runs already: one server, one agent, from nothing to nothing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openPolicy } from "../../../components/render/headscale-policy.ts";
import { policyMark } from "../../../components/render/tailnet-policy.ts";
import { ACCOUNT_USER } from "../../../rehearsal/clouds/tailscale/account.ts";
import { upChangesNothing } from "../support/cluster.ts";
import { nodesOf, readyNodes } from "../support/kube.ts";
import { exec } from "../support/podman.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";
import { controlOf, Guest } from "../support/rehearsal-guest.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const url = "https://headscale.example.com";
const nodes = ["agent-1", "server-1"];
// The name is never read: a rehearsal puts the CA of its own Headscale in the place of this one.
const tailnet = { kind: "headscale", url, domain: "tailnet.example.com", caFile: "home-ca.pem" };
const settings = [
  'servers=[{"name":"server-1","bundleId":"medium_3_0"}]',
  'agents=[{"name":"agent-1","bundleId":"medium_3_0"}]',
  "disable=[traefik, servicelb, metrics-server, local-storage]",
  `tailnet=${JSON.stringify(tailnet)}`,
  // A bucket is protected, so that `destroy` would stop at it.
  'snapshots={"bucket":{"kind":"none"}}',
];

interface RawUser {
  readonly name: string;
}
interface RawKey {
  readonly user?: RawUser;
  readonly reusable?: boolean;
  readonly acl_tags?: readonly string[];
}

/** Its owner's view of the server, by its own command. */
class Owner {
  readonly #container: string;
  constructor(stack: RehearsedStack) {
    this.#container = `homespan-${stack.world}-headscale`;
  }

  async users(): Promise<string[]> {
    return (await this.#list<RawUser>("users")).map(({ name }) => name).sort();
  }

  keys(): Promise<readonly RawKey[]> {
    return this.#list<RawKey>("preauthkeys");
  }

  policy(): Promise<string> {
    return exec(this.#container, ["headscale", "policy", "get"]);
  }

  async setPolicy(text: string): Promise<void> {
    await exec(this.#container, ["headscale", "policy", "set", "--file", "/dev/stdin"], text);
  }

  async #list<T>(what: string): Promise<readonly T[]> {
    const text = await exec(this.#container, ["headscale", what, "list", "--output", "json"]);
    return (JSON.parse(text) as readonly T[] | null) ?? [];
  }
}

export function rehearsalHeadscaleSuite(): void {
  const stack = new RehearsedStack(settings);
  const owner = new Owner(stack);
  const devices = async (): Promise<string[]> =>
    (await controlOf(stack).devices()).map(({ givenName }) => givenName).sort();
  const everyDevice = ["lightsail-agent-1", "lightsail-operator", "lightsail-server-1"];
  aroundAllTests(stack);

  test("server and agent come up in its tailnet, by names below its domain", async () => {
    await stack.up("1 server and 1 agent, at a Headscale");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(nodes);
    expect(await devices()).toEqual(everyDevice);
    expect(await stack.apiUrl("server-1")).toBe("https://lightsail-server-1.tailnet.example.com:6443");
    stack.usable = true;
  });

  describe("such a stack", () => {
    skipUnlessUsable(stack);

    test("nothing of Tailscale's is in it, and the machines trust the server by the CA they are given alone", async () => {
      const exported = await stack.pulumi(["stack", "export"]);
      expect(exported.stdout).not.toMatch(/"tailscale:|providers:tailscale/);
      expect(exported.stdout).not.toContain("hskey-");
      const authority = readFileSync(join(stack.folder, "ca.pem"), "utf8").trim();
      expect(authority).toMatch(/^-----BEGIN CERTIFICATE-----/);
      // The one of the rehearsed buckets is there at most.
      const { caFile } = await stack.readWorld();
      expect(caFile === undefined ? "" : readFileSync(caFile, "utf8")).not.toContain(authority);
      expect(Object.keys(await stack.environment())).not.toContain("TAILSCALE_API_KEY");
    });

    test("a user, single-use keys with tags, one for any number of logins, and the policy are what it has there", async () => {
      expect(await owner.users()).toEqual(["lightsail", ACCOUNT_USER].sort());
      const keys = (await owner.keys()).map(({ reusable = false, acl_tags }) => ({ reusable, acl_tags }));
      expect(keys).toHaveLength(3);
      expect(keys).toContainEqual({ reusable: false, acl_tags: ["tag:lightsail-server"] });
      expect(keys).toContainEqual({ reusable: false, acl_tags: ["tag:lightsail-agent"] });
      expect(keys).toContainEqual({ reusable: true, acl_tags: ["tag:lightsail-operator"] });
      expect((await owner.policy()).split("\n")[0]).toBe(policyMark("lightsail"));
    });

    test("a second up, and plain pulumi, change nothing", async () => {
      await upChangesNothing(stack, "nothing to do, at a Headscale");
      await stack.pulumi(["preview", "--expect-no-changes"]);
    });

    test("the policy lets the operator's tag to the API, and a stranger nowhere", async () => {
      const server = (await nodesOf(stack)).find(({ metadata }) => metadata.name === "server-1");
      const address = server?.status.addresses.find(({ type }) => type === "InternalIP")?.address ?? "";
      const guests: Guest[] = [];
      try {
        guests.push(await Guest.join(stack, "second-operator", "tag:lightsail-operator"));
        guests.push(await Guest.join(stack, "stranger", "tag:stranger"));
        const [operator, stranger] = guests;
        expect(await operator?.reaches(address, 6443)).toBe(true);
        for (const port of [6443, 10_250]) expect(await stranger?.reaches(address, port)).toBe(false);
        expect(await stranger?.peers()).toEqual([]);
      } finally {
        for (const guest of guests) await guest.leave();
      }
    });

    test("a policy that was changed by hand is put right", async () => {
      await owner.setPolicy(`${policyMark("lightsail")}\n{ "grants": [] }\n`);
      await stack.up("a changed policy, at a Headscale");
      expect(await owner.policy()).toContain('"tag:lightsail-agent"');
    });

    test("an agent that is made again has one device, and its name", async () => {
      const before = (await nodesOf(stack)).find(({ metadata }) => metadata.name === "agent-1")?.metadata.uid;
      const again = ["recreate", "lightsail", "--node", "agent-1", "--yes"];
      await timed("recreate --node agent-1, at a Headscale", () =>
        stack.homespan(again, { timeoutSeconds: 300 }),
      );
      await stack.renewKubeconfig();
      expect(await readyNodes(stack)).toEqual(nodes);
      const after = (await nodesOf(stack)).find(({ metadata }) => metadata.name === "agent-1")?.metadata.uid;
      expect(after).not.toBe(before);
      expect(await devices()).toEqual(everyDevice);
    });

    test("destroyed, it leaves nothing at the server but what was there, and everyone reaches everyone", async () => {
      await timed("destroy, at a Headscale", () =>
        stack.homespan(["destroy", "lightsail", "--yes"], { timeoutSeconds: 300 }),
      );
      await eventually("all devices are gone", 10, async () => {
        expect(await devices()).toEqual([]);
      });
      // Those of the guests are the owner's.
      const left = (await owner.keys()).filter(({ user }) => user?.name !== ACCOUNT_USER);
      expect(left).toEqual([]);
      expect(await owner.users()).toEqual([ACCOUNT_USER]);
      expect((await owner.policy()).trim()).toBe(openPolicy.trim());
    });

    test("a policy that others wrote is left alone: refused with what to merge, and nothing is made", async () => {
      const theirs = `// ours\n{ "acls": [{ "action": "accept", "src": ["*"], "dst": ["*:22"] }] }\n`;
      await owner.setPolicy(theirs);
      const refused = await stack.rehearse(
        "up",
        settings.flatMap((it) => ["--set", it]),
        { mayFail: true },
      );
      expect(refused.code).toBe(2);
      expect(refused.output).toMatch(/`tailnet\.policy` must be elsewhere, as others have written/);
      expect(refused.output).toContain('"tag:lightsail-server": ["lightsail@"],');
      expect(refused.output).toContain("nothing was created or changed");
      expect((await owner.policy()).trim()).toBe(theirs.trim());
      expect(await owner.users()).toEqual([ACCOUNT_USER]);
    });
  });
}
