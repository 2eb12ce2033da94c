/** What the real `podman` says, and what is made of it. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { PodmanSocket } from "../../provider/effects/podman-socket.ts";
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

/** No service of this machine takes part. */
const noService = new PodmanSocket("/nowhere");

describe("PodmanProgram", () => {
  it("takes a container for running while its process exists", async () => {
    const commands: string[] = [];
    const recorded: Run = (program, args) => {
      commands.push(args.join(" "));
      return run(program, args);
    };
    const podman = new PodmanProgram(recorded, Date.now, (pid) => pid === 10, noService);
    const containers = await podman.list("containers");
    // Without --pod Podman leaves the names of pods out.
    expect(commands).toContain("ps --all --pod --format json");
    expect(containers.map(({ name, running }) => [name, running])).toEqual([
      ["alive", true],
      ["killed with its conmon", false],
      ["stopped", false],
    ]);
  });

  it("tells what a container logged, which most do on standard error", async () => {
    const logging = (stdout: string, stderr: string, code = 0): PodmanProgram =>
      new PodmanProgram(
        () => Promise.resolve({ code, stdout, stderr }),
        Date.now,
        () => true,
        noService,
      );
    expect(await logging("", "level=fatal msg=broken\n").lastWords("registry")).toBe(
      "level=fatal msg=broken",
    );
    expect(await logging("ready\n", "").lastWords("registry")).toBe("ready");
    expect(await logging("", "").lastWords("registry")).toBe("it logged nothing");
    expect(await logging("", "Error: no container", 125).lastWords("registry")).toBe("it logged nothing");
  });

  it("asks once for all who want a list, and again after a command that changes it", async () => {
    const commands: string[] = [];
    const podman = new PodmanProgram(
      (program, args) => {
        commands.push(args.slice(0, 2).join(" "));
        return run(program, args);
      },
      () => 0,
      () => true,
      noService,
    );
    await Promise.all([podman.list("volumes"), podman.list("volumes"), podman.list("networks")]);
    await podman.command(["volume", "rm", "one"]);
    await Promise.all([podman.list("volumes"), podman.list("networks")]);
    // Which of two lists is asked for first is left open.
    expect(commands.splice(0, 2).sort()).toEqual(["network ls", "volume ls"]);
    expect(commands).toEqual(["volume rm", "volume ls"]);
  });
});

describe("a service that answers", () => {
  let root = "";
  let server: Server | undefined;
  const serve = async (
    answer: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<void> => {
    root = mkdtempSync(join(tmpdir(), "podman-socket-"));
    mkdirSync(join(root, "gone"));
    mkdirSync(join(root, "here"));
    const listening = createServer(answer);
    server = listening;
    await new Promise<void>((resolve) => listening.listen(join(root, "here/podman.sock"), resolve));
  };
  const commands: string[] = [];
  const program = (): PodmanProgram =>
    new PodmanProgram(
      (name, args) => {
        commands.push(args.join(" "));
        return run(name, args);
      },
      () => 0,
      (pid) => pid === 10,
      new PodmanSocket(root),
    );
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    rmSync(root, { recursive: true, force: true });
    commands.length = 0;
  });

  it("is asked instead of a program", async () => {
    const asked: string[] = [];
    await serve((request, response) => {
      asked.push(request.url ?? "");
      const containers = [{ Names: ["a"], State: "running", Pid: 10, PodName: "p", Networks: null }];
      response.end(JSON.stringify(request.url?.includes("containers") === true ? containers : null));
    });
    const podman = program();
    expect(await podman.list("containers")).toMatchObject([{ name: "a", running: true, pod: "p" }]);
    expect(await podman.list("networks")).toEqual([]);
    expect(asked).toEqual(["/v4.0.0/libpod/containers/json?all=true", "/v4.0.0/libpod/networks/json"]);
    expect(commands).toEqual([]);
  });

  it("is left for the program when it answers with an error, or nothing that can be read", async () => {
    let body = "{";
    await serve((_request, response) => {
      response.statusCode = body === "{" ? 200 : 500;
      response.end(body);
    });
    const podman = program();
    expect(await podman.list("containers")).toHaveLength(3);
    body = '{"cause":"database is locked"}';
    expect(await podman.list("pods")).toEqual([]);
    expect(commands).toEqual(["ps --all --pod --format json", "pod ps --format json"]);
  });

  it("removes instead of a program, what it once listed for", async () => {
    const asked: string[] = [];
    await serve((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      response.statusCode = request.method === "DELETE" && request.url?.includes("gone") === true ? 404 : 200;
      response.end("[]");
    });
    const podman = program();
    await podman.list("pods");
    await podman.remove("pods", "p");
    await podman.remove("containers", "gone", 10);
    await podman.remove("volumes", "v");
    // What a removal changed is asked anew.
    await podman.list("pods");
    expect(asked).toEqual([
      "GET /v4.0.0/libpod/pods/json",
      "DELETE /v4.0.0/libpod/pods/p?force=true&timeout=0",
      "DELETE /v4.0.0/libpod/containers/gone?force=true&ignore=true&volumes=true&timeout=10",
      "DELETE /v4.0.0/libpod/volumes/v",
      "GET /v4.0.0/libpod/pods/json",
    ]);
    expect(commands).toEqual([]);
  });

  it("is left for the program when it refuses to remove, or ends over it", async () => {
    await serve((request, response) => {
      if (request.url?.endsWith("pods/p?force=true&timeout=0") === true) response.destroy();
      response.statusCode = request.method === "DELETE" ? 409 : 200;
      response.end("[]");
    });
    const podman = program();
    await podman.list("volumes");
    await podman.remove("volumes", "in use");
    await podman.remove("pods", "p");
    expect(commands).toEqual(["volume rm in use", "pod rm --force --ignore --time 0 p"]);
  });
});

describe("a volume that the program does not find", () => {
  it.each([
    ['Error: no volume with name "v" found: no such volume', undefined],
    ["Error: volume v is being used by the following container(s): c: volume is being used", "is being used"],
  ])("%s", async (stderr, refused) => {
    const run: Run = () => Promise.resolve({ code: 1, stdout: "", stderr });
    const removed = new PodmanProgram(run, Date.now, () => true, noService).remove("volumes", "v");
    await (refused === undefined ? removed : expect(removed).rejects.toThrow(refused));
  });
});
