/** `headscale` inside its container, in memory. */
import type { Finished } from "../../provider/effects/process.ts";
import { done, failed } from "./fake-podman.ts";

interface FakeDevice {
  id: number;
  name: string;
  given_name: string;
  tags: string[];
  ip_addresses: string[];
}
interface FakeKey {
  id: number;
  used?: boolean;
  expiration: { seconds: number };
}

export class FakeHeadscale {
  devices: FakeDevice[] = [];
  keys: FakeKey[] = [];
  users: { id: number; name: string }[] = [];
  policy: string | undefined;
  up = true;
  #next = 1;

  device(name: string, tag: string, address: string): FakeDevice {
    const device = { id: this.#next++, name, given_name: name, tags: [tag], ip_addresses: [address] };
    this.devices.push(device);
    return device;
  }

  answer(argv: readonly string[], input?: string | Uint8Array): Finished {
    if (!this.up) return failed("connection refused");
    const value = (option: string): string => argv[argv.indexOf(option) + 1] ?? "";
    const list = (items: readonly unknown[]): Finished =>
      done(items.length === 0 ? "null" : JSON.stringify(items));
    switch (argv.slice(1, 3).join(" ")) {
      case "nodes list":
        return list(this.devices);
      case "nodes delete":
        this.devices = this.devices.filter((device) => String(device.id) !== value("--identifier"));
        return done();
      case "preauthkeys list":
        return list(this.keys);
      case "preauthkeys create": {
        const id = this.#next++;
        const seconds =
          Date.parse("2026-11-21T12:00:00Z") / 1000 + Number.parseInt(value("--expiration"), 10);
        this.keys.push({ id, expiration: { seconds } });
        return done(JSON.stringify({ id, key: `hskey-${String(id)}` }));
      }
      case "preauthkeys delete":
        this.keys = this.keys.filter((key) => String(key.id) !== value("--id"));
        return done();
      case "users list":
        return list(this.users);
      case "users create":
        if (this.users.some((user) => user.name === argv[3])) return failed("UNIQUE constraint failed");
        this.users.push({ id: this.#next++, name: argv[3] ?? "" });
        return done(JSON.stringify(this.users.at(-1)));
      case "policy set":
        this.policy = String(input ?? "");
        return done("Policy updated.\n");
      case "policy get":
        return this.policy === undefined
          ? failed("loading ACL policy: acl policy not found")
          : done(`${this.policy}\n`);
      default:
        return failed(`unknown command ${argv.join(" ")}`);
    }
  }
}
