import { expect, test } from "vitest";
import { usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { limaAgentPlans } from "../../components/render/lima-plan.ts";

const plansOf = (...agents: Parameters<typeof limaAgentPlans>[0]["agents"][number][]) =>
  limaAgentPlans({ clusterName: "home", blueprint: usualLimaBlueprint, agents });

test("every agent has its own names and port, whichever others there are", () => {
  const [first, third] = plansOf({ nodeName: "agent-1" }, { nodeName: "agent-3" });
  expect(first).toEqual({
    ...usualLimaBlueprint,
    nodeName: "agent-1",
    name: "home-agent-1",
    dataDisk: "home-agent-1-data",
    sshPort: 60_101,
  });
  expect(plansOf({ nodeName: "agent-3" })).toEqual([third]);
  expect(plansOf({ nodeName: "imac", sshPort: 61_000 })[0]?.sshPort).toBe(61_000);
});

test("says all that is wrong with any of them at once", () => {
  const wrong = () =>
    plansOf(
      { nodeName: "agent-1" },
      { nodeName: "agent-1" },
      { nodeName: "imac" },
      { nodeName: "big--1", override: { cpus: 0, image: "debian" as "ubuntu-24.04" } },
      { nodeName: "other", sshPort: 60_101 },
    );
  expect(wrong).toThrow(
    [
      '`agents[2].sshPort` must be given, as "imac" ends in no number below 1000, got nothing',
      '`agents[3].nodeName` must be at most 76 letters, digits and single hyphens, dots or underscores between them, got "home-big--1-data"',
      '`agents[3].image` must be one of ubuntu-24.04, ubuntu-25.10, got "debian"',
      "`agents[3].cpus` must be a whole number of at least 1, got 0",
      '`agents` must have each name once, got "agent-1" twice',
      "`agents` must have an SSH port each, got 60101 for agent-1 and other",
    ].join("\n"),
  );
});
