/** What the real `podman` says, and what is made of it. */
import { describe, expect, it } from "vitest";
import { PodmanProgram } from "../../provider/effects/podman.ts";
import type { Run } from "../../provider/effects/process.ts";

const run: Run = (_program, args) => {
  const list = [
    { Names: ["alive"], State: "running", Pid: 10 },
    { Names: ["killed with its conmon"], State: "running", Pid: 11 },
    { Names: ["stopped"], State: "exited", Pid: 0 },
  ];
  return Promise.resolve({ code: 0, stdout: args[0] === "ps" ? JSON.stringify(list) : "", stderr: "" });
};

describe("PodmanProgram", () => {
  it("takes a container for running while its process exists", async () => {
    const commands: string[] = [];
    const recorded: Run = (program, args) => {
      commands.push(args.join(" "));
      return run(program, args);
    };
    const podman = new PodmanProgram(recorded, Date.now, (pid) => pid === 10);
    const containers = await podman.list("containers");
    // Without --pod Podman leaves the names of pods out.
    expect(commands).toContain("ps --all --pod --format json");
    expect(containers.map(({ name, running }) => [name, running])).toEqual([
      ["alive", true],
      ["killed with its conmon", false],
      ["stopped", false],
    ]);
  });

  it("asks once for all who want a list, and again after a command that changes it", async () => {
    const commands: string[] = [];
    const podman = new PodmanProgram(
      (program, args) => {
        commands.push(args.slice(0, 2).join(" "));
        return run(program, args);
      },
      () => 0,
    );
    await Promise.all([podman.list("volumes"), podman.list("volumes"), podman.list("networks")]);
    await podman.command(["volume", "rm", "one"]);
    await Promise.all([podman.list("volumes"), podman.list("networks")]);
    expect(commands).toEqual(["volume ls", "network ls", "volume rm", "volume ls"]);
  });
});
