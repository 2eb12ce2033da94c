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
    const { containers } = await podman.snapshot();
    // Without --pod Podman leaves the names of pods out.
    expect(commands).toContain("ps --all --pod --format json");
    expect(containers.map(({ name, running }) => [name, running])).toEqual([
      ["alive", true],
      ["killed with its conmon", false],
      ["stopped", false],
    ]);
  });
});
