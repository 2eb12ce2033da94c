/** rehearsal-datagrams.ts ADDRESS PORT...: sends ten datagrams to each UDP port. Run inside a node's network, or outside of all. */
import { createSocket } from "node:dgram";
import { setTimeout as pause } from "node:timers/promises";

const [address = "", ...ports] = process.argv.slice(2);
const socket = createSocket("udp4");
for (let round = 1; round <= 10; round += 1) {
  for (const port of ports) {
    // One that a firewall of this machine holds back is reported as an error.
    await new Promise<void>((resolve) => {
      socket.send("homespan", Number(port), address, () => {
        resolve();
      });
    });
  }
  await pause(20);
}
await pause(200);
socket.close();
