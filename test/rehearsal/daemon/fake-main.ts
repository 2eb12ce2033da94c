/** The daemon's process with a control server in memory. */
import { runDaemon } from "../../../rehearsal/daemon/run.ts";
import { FakeControl } from "../tailscale/fake-control.ts";

await runDaemon(process.argv[2] ?? "", {
  server: () => ({
    ensure: () =>
      Promise.resolve({ container: "none", address: "127.0.0.77", caCertificate: "the authority\n" }),
  }),
  objects: async () => undefined,
  control: () => new FakeControl(),
  apiKey: () => Promise.resolve("hskey-api-1"),
  virtualMachines: () => undefined,
});
