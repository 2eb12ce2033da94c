/** The driver's side and the daemon's side of the socket between a Mac and what makes its machines. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HypervisorAway, SocketHypervisor } from "../../../rehearsal/lima/driver/hypervisor.ts";
import { type HypervisorServer, serveHypervisor } from "../../../rehearsal/lima/hypervisor-server.ts";
import type { VirtualMachineName, VirtualMachines } from "../../../rehearsal/lima/virtual-machines.ts";

class Machines implements VirtualMachines {
  readonly orders: string[] = [];
  readonly off = new AbortController();
  readonly #take = (order: string, { mac, name }: VirtualMachineName): Promise<void> => {
    this.orders.push(`${order} ${mac === hostname() ? "" : "?"}${name}`);
    return Promise.resolve();
  };
  async start(machine: VirtualMachineName, { hostName, disk }: { hostName: string; disk: unknown }) {
    if (hostName === "refused") throw new Error("there is no room");
    await this.#take(`start ${hostName} ${JSON.stringify(disk ?? "none")}`, machine);
    return { address: "10.0.0.5", port: 22 };
  }
  stop(machine: VirtualMachineName): Promise<void> {
    return this.#take("stop", machine);
  }
  kill(machine: VirtualMachineName): Promise<void> {
    return this.#take("kill", machine);
  }
  remove(machine: VirtualMachineName): Promise<void> {
    return this.#take("remove", machine);
  }
  async life(machine: VirtualMachineName, signal: AbortSignal): Promise<void> {
    await this.#take("life", machine);
    if (!this.off.signal.aborted) await Promise.race([once(this.off.signal, "abort"), once(signal, "abort")]);
    signal.throwIfAborted();
  }
}

let folder: string;
let machines: Machines;
let server: HypervisorServer;
let driver: SocketHypervisor;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hv-"));
  machines = new Machines();
  server = await serveHypervisor(join(folder, "socket"), machines);
  driver = new SocketHypervisor(join(folder, "socket"));
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});
const never = new AbortController().signal;

test("orders arrive, with their answers and their errors", async () => {
  const disk = { name: "data", id: "0f" };
  expect(await driver.start({ name: "one", hostName: "lima-one", disk })).toEqual({
    address: "10.0.0.5",
    port: 22,
  });
  await driver.stop("one");
  await driver.remove("one");
  expect(machines.orders).toEqual(['start lima-one {"name":"data","id":"0f"} one', "stop one", "remove one"]);
  await expect(driver.start({ name: "one", hostName: "refused", disk: undefined })).rejects.toThrow(
    /^there is no room$/,
  );
  await expect(driver.stop("a/b")).rejects.toThrow(/is not for|there is nothing/);
  await expect(driver.start({ name: "one", hostName: "", disk: undefined })).rejects.toThrow(/hostName/);
});

test("a machine that goes off ends its driver's wait", async () => {
  const life = driver.life("one", never);
  await vi.waitFor(() => {
    expect(machines.orders).toEqual(["life one"]);
  });
  machines.off.abort();
  await life;
  expect(machines.orders).toEqual(["life one"]);
});

test("a driver that ends takes its machine's power along", async () => {
  const killed = new AbortController();
  const life = driver.life("one", killed.signal);
  await vi.waitFor(() => {
    expect(machines.orders).toEqual(["life one"]);
  });
  killed.abort();
  await expect(life).rejects.toThrow();
  await vi.waitFor(() => {
    expect(machines.orders).toEqual(["life one", "kill one"]);
  });
});

test("a daemon that ends leaves the machine its power, and its driver waits for the next one", async () => {
  const life = driver.life("one", never);
  await vi.waitFor(() => {
    expect(machines.orders).toEqual(["life one"]);
  });
  await server.close();
  await expect(driver.stop("one")).rejects.toThrow(HypervisorAway);
  server = await serveHypervisor(join(folder, "socket"), machines);
  await vi.waitFor(
    () => {
      expect(machines.orders).toEqual(["life one", "life one"]);
    },
    { timeout: 5000 },
  );
  machines.off.abort();
  await life;
});

test("a socket's path that is too long is refused with what to change", async () => {
  await expect(serveHypervisor(join(folder, "x".repeat(100), "socket"), machines)).rejects.toThrow(
    /HOMESPAN_STATE must be shorter/,
  );
});
