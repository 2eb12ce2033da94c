/** The pure parts, by properties. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { labelPatch, ownedLabels } from "../../provider/logic/node-labels.ts";
import { quorumOf, removalRefusal } from "../../provider/logic/quorum.ts";
import { ruleHolds, siteTable } from "../../provider/logic/site-rule.ts";
import { parseStages, stuckText } from "../../provider/logic/stage.ts";

const labels = fc.dictionary(fc.constantFrom("a", "b", "c", "d/e"), fc.constantFrom("1", "2", ""));

describe("labels of a node", () => {
  it("end up as wanted, with everything that was never owned untouched", () => {
    fc.assert(
      fc.property(labels, labels, labels, (owned, wanted, found) => {
        const patched: Record<string, string | null> = { ...found, ...labelPatch(owned, wanted, found) };
        const result = Object.fromEntries(Object.entries(patched).filter(([, value]) => value !== null));
        const foreign = Object.entries(found).filter(([name]) => !(name in owned) && !(name in wanted));
        expect(result).toEqual({ ...Object.fromEntries(foreign), ...wanted });
      }),
    );
  });

  it("need no patch once they are right", () => {
    fc.assert(
      fc.property(labels, labels, (wanted, others) => {
        expect(labelPatch(wanted, wanted, { ...others, ...wanted })).toEqual({});
        expect(ownedLabels(wanted, { ...others, ...wanted })).toEqual(wanted);
      }),
    );
  });
});

describe("quorum", () => {
  const members = fc
    .uniqueArray(fc.constantFrom("s1", "s2", "s3", "s4", "s5"), { minLength: 1 })
    .chain((names) =>
      fc.tuple(
        ...names.map((name) =>
          fc.record({ name: fc.constant(name), healthy: fc.boolean(), voting: fc.boolean() }),
        ),
      ),
    );

  it("is a majority", () => {
    expect([1, 2, 3, 4, 5].map(quorumOf)).toEqual([1, 2, 2, 3, 3]);
  });

  it("is there before and after every removal that is allowed", () => {
    fc.assert(
      fc.property(members, (all) => {
        const voters = all.filter((member) => member.voting);
        for (const { name } of voters) {
          const left = voters.filter((member) => member.name !== name);
          const healthy = (list: typeof voters): number => list.filter((member) => member.healthy).length;
          const safe =
            left.length > 0 &&
            healthy(voters) >= quorumOf(voters.length) &&
            healthy(left) >= quorumOf(left.length);
          expect(removalRefusal(all, name) === undefined).toBe(safe);
        }
      }),
    );
  });

  it("does not depend on one that has no vote", () => {
    expect(removalRefusal([{ name: "s1", healthy: false, voting: false }], "s1")).toBeUndefined();
    expect(removalRefusal([], "s1")).toBeUndefined();
    expect(removalRefusal([{ name: "s1", healthy: true, voting: true }], "s1")).toContain(
      "the last etcd member",
    );
  });
});

describe("site rule", () => {
  it("is recognised in what it makes, and in nft's own layout of it", () => {
    const denied = ["10.90.0.0/24", "10.91.0.0/24"];
    expect(ruleHolds(siteTable("t", "10.89.0.0/24", denied), "10.89.0.0/24", denied)).toBe(true);
    const listed =
      "ip saddr 10.90.0.0/24 ip daddr 10.89.0.0/24 ct state 0x8 counter packets 3 bytes 180 drop";
    expect(ruleHolds(listed, "10.89.0.0/24", ["10.90.0.0/24"])).toBe(true);
    expect(ruleHolds(listed, "10.89.0.0/24", denied)).toBe(false);
    expect(ruleHolds(listed, "10.88.0.0/24", ["10.90.0.0/24"])).toBe(false);
    expect(ruleHolds(undefined, "10.89.0.0/24", denied)).toBe(false);
  });
});

describe("stages", () => {
  it("are read leniently: half a file names nothing, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        parseStages(text);
      }),
    );
    expect(parseStages('{"stages":[{"name":"k3s"},{"name":"k3s","state":"running","attempts":1}]}')).toEqual([
      { name: "k3s", state: "running", attempts: 1 },
    ]);
  });

  it("name the stage, its age and its error", () => {
    const startedAt = "2026-11-21T12:00:00Z";
    const now = Date.parse("2026-11-21T12:01:30Z");
    const stage = {
      name: "tailnet",
      state: "running",
      startedAt,
      attempts: 4,
      error: "key expired",
    } as const;
    expect(stuckText([stage], now)).toBe("stage `tailnet` is running for 90 s, 4 attempts: key expired");
    expect(stuckText([], now)).toBe("its boot sequence has not begun");
    expect(stuckText(undefined, now)).toBe("the node itself does not answer");
  });
});
