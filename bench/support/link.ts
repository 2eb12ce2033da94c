/**
 * link.ts serve: listens on a free port, prints it, swallows bytes and answers each single byte.
 * link.ts measure ADDRESS PORT SECONDS: prints `{"megabitsPerSecond","roundTripMilliseconds"}`.
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

const bulk = 0x62;
const echo = 0x65;
const roundTrips = 500;

/** The first byte of a connection says what it is for; the receiver of bulk sends the number of bytes at the end. */
function serve(): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.once("data", (first) => {
      const counts = first[0] === bulk;
      let received = 0;
      const take = (chunk: Buffer): void => {
        if (counts) received += chunk.length;
        else socket.write(chunk);
      };
      if (first.length > 1) take(first.subarray(1));
      socket.on("data", take);
      socket.once("end", () => socket.end(counts ? String(received) : ""));
    });
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, () => {
    process.stdout.write(`${String((server.address() as AddressInfo).port)}\n`);
  });
}

async function open(address: string, port: number, purpose: number): Promise<Socket> {
  const socket = connect({ host: address, port, noDelay: true });
  await once(socket, "connect");
  socket.write(Buffer.of(purpose));
  return socket;
}

async function throughput(address: string, port: number, seconds: number): Promise<number> {
  const socket = await open(address, port, bulk);
  const block = Buffer.alloc(128 * 1024);
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    if (!socket.write(block)) await once(socket, "drain");
  }
  socket.end();
  const [received] = (await once(socket, "data")) as [Buffer];
  return (Number(received.toString()) * 8) / 1e6 / ((performance.now() - started) / 1000);
}

async function roundTrip(address: string, port: number): Promise<number> {
  const socket = await open(address, port, echo);
  const times: number[] = [];
  for (let index = 0; index < roundTrips; index += 1) {
    const started = performance.now();
    socket.write(Buffer.of(index % 256));
    await once(socket, "data");
    times.push(performance.now() - started);
  }
  socket.destroy();
  return times.sort((a, b) => a - b)[Math.floor(roundTrips / 2)] ?? Number.NaN;
}

const [mode, address = "", port = "0", seconds = "10"] = process.argv.slice(2);
if (mode === "serve") serve();
else {
  const megabitsPerSecond = await throughput(address, Number(port), Number(seconds));
  const roundTripMilliseconds = await roundTrip(address, Number(port));
  process.stdout.write(`${JSON.stringify({ megabitsPerSecond, roundTripMilliseconds })}\n`);
}
