/**
 * Lima's driver service for one virtual machine.
 *
 * https://github.com/lima-vm/lima/blob/v2.2.0/pkg/driver/external/driver.proto, whose service has no package in its name
 */
import grpc from "@grpc/grpc-js";
import type { Socket } from "node:net";
import { SocketHypervisor, hypervisorSocket } from "./hypervisor.ts";
import { type StartResponse, json, writeStartResponse, writeText, writeYesOrNo } from "./messages.ts";
import { VirtualMachine } from "./virtual-machine.ts";

type Answer<Request, Response> = (request: Request) => Response | Promise<Response>;

const nothing = Buffer.alloc(0);
type Empty = Readonly<Record<string, never>>;
// Not undefined: that would be no message.
const ignored = (): Empty => ({});
const empty = { read: ignored, write: () => nothing };

/** What `limactl` is told of this driver. Without cloud-init in its sense: it lays down its files in a folder instead of an ISO image. */
const info = {
  name: "vz",
  vsockPort: 0,
  virtioPort: "",
  features: { noCloudInit: true, supportedImageFormats: ["raw"] },
};

const machine = new VirtualMachine(
  new SocketHypervisor(process.env["HOMESPAN_HYPERVISOR"] ?? hypervisorSocket),
);

/** What answers on connections that were taken elsewhere. */
export interface DriverService {
  serve(connection: Socket): void;
  end(): void;
}

export function driverService(): DriverService {
  const server = new grpc.Server();
  server.addService(...callService());
  server.addService(...startService());
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  return {
    serve: (connection) => {
      injector.injectConnection(connection);
    },
    end: () => {
      server.forceShutdown();
    },
  };
}

/** All calls with one answer. */
function callService(): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation] {
  const done = ignored;
  const refused = (): Empty => {
    throw new Error("not possible in a rehearsal");
  };
  const calls = [
    call("Info", empty, { write: json.write }, () => JSON.stringify(info)),
    call("Configure", json, json, (instance: string) => machine.configure(instance)),
    call("Validate", empty, empty, () => {
      machine.validate();
      return {};
    }),
    call("Create", empty, empty, done),
    call("CreateDisk", empty, empty, async () => {
      await machine.createDisk();
      return {};
    }),
    call("Stop", empty, empty, async () => {
      await machine.stop();
      return {};
    }),
    call("Delete", empty, empty, async () => {
      await machine.delete();
      return {};
    }),
    call("BootScripts", empty, empty, done),
    call("ForwardGuestAgent", empty, { write: writeYesOrNo }, () => false),
    call("SSHAddress", empty, { write: writeText }, () => "127.0.0.1"),
    call("AdditionalSetupForSSH", empty, empty, done),
    ...["RunGUI", "ChangeDisplayPassword", "GetDisplayConnection", "GuestAgentConn"].map((name) =>
      call(name, empty, empty, refused),
    ),
    ...["CreateSnapshot", "ApplySnapshot", "DeleteSnapshot", "ListSnapshots"].map((name) =>
      call(name, empty, empty, refused),
    ),
  ];
  return [
    Object.fromEntries(calls.map(({ name, definition }) => [name, definition])),
    Object.fromEntries(calls.map(({ name, handle }) => [name, handle])),
  ];
}

function call<Request, Response>(
  name: string,
  { read }: { readonly read: (buffer: Buffer) => Request },
  { write }: { readonly write: (response: Response) => Buffer },
  answer: Answer<Request, Response>,
) {
  const handle: grpc.handleUnaryCall<Request, Response> = ({ request }, respond) => {
    const answering = async (): Promise<Response> => answer(request);
    answering().then(
      (response) => {
        respond(null, response);
      },
      (error: unknown) => {
        respond({ code: grpc.status.UNKNOWN, details: reasonOf(error) });
      },
    );
  };
  const definition: grpc.MethodDefinition<Request, Response> = {
    ...{ path: `/Driver/${name}`, requestStream: false, responseStream: false },
    // The driver asks nobody.
    requestSerialize: () => nothing,
    responseDeserialize: refusedAnswer,
    requestDeserialize: read,
    responseSerialize: write,
  };
  return { name, definition, handle };
}

/** A machine's start: one answer when it boots, another one when it has ended. */
function startService(): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation] {
  const handle: grpc.handleServerStreamingCall<Empty, StartResponse> = (stream) => {
    const ended = (error?: string): void => {
      stream.write(error === undefined ? { success: true } : { success: false, error });
      stream.end();
    };
    machine.start(ended).then(
      () => stream.write({ success: true }),
      (error: unknown) => {
        ended(reasonOf(error));
      },
    );
  };
  const definition: grpc.MethodDefinition<Empty, StartResponse> = {
    ...{ path: "/Driver/Start", requestStream: false, responseStream: true },
    requestSerialize: () => nothing,
    responseDeserialize: refusedAnswer,
    requestDeserialize: ignored,
    responseSerialize: writeStartResponse,
  };
  return [{ Start: definition }, { Start: handle }];
}

function refusedAnswer(): never {
  throw new Error("a driver gets no answers");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
