/** Tailnet operators in memory: processes that end, and logins that outlive them. */
import type {
  LoginSettings,
  Operator,
  StartSettings,
  TailnetOperators,
} from "../../provider/effects/operator.ts";

export class FakeOperators implements TailnetOperators {
  readonly running = new Map<string, Operator>();
  /** Directory -> id of the device it is logged in as. */
  readonly logins = new Map<string, string>();
  readonly started: StartSettings[] = [];
  readonly tried: LoginSettings[] = [];
  /** Ports that someone else listens on. */
  readonly taken = new Set<number>();
  /** Why the control server refuses a login. */
  refusal: string | undefined;
  /** A new device has to be approved first. */
  approval = false;
  /** What becomes of an operator with a login; of one without it, `NeedsLogin`. */
  reached = { backend: "Running", problems: [] as readonly string[] };
  /** What becomes of a login. */
  loggedIn: (deviceId: string) => void = () => undefined;
  domain = "tailnet.example.com";
  /** How often one that has just started answers before it has read whether it logged in before. */
  reading = 0;
  #unread = 0;
  #next = 1;

  directory(clusterName: string): string {
    return `/state/operators/${clusterName}`;
  }

  find(directory: string): Promise<Operator | undefined> {
    const found = this.running.get(directory);
    return Promise.resolve(found === undefined ? undefined : { ...found, ...this.#login(directory) });
  }

  async start(directory: string, settings: StartSettings): Promise<Operator> {
    this.started.push(settings);
    const free = settings.port !== undefined && !this.taken.has(settings.port);
    const port = free ? settings.port : 20_000 + this.#next++;
    this.#unread = this.reading;
    const made = { pid: this.#next++, port, ...this.#login(directory) };
    this.running.set(directory, made);
    return made;
  }

  login(directory: string, settings: LoginSettings): Promise<void> {
    this.tried.push(settings);
    if (this.refusal !== undefined) return Promise.reject(new Error(this.refusal));
    const known = this.logins.get(directory);
    this.logins.set(directory, known === undefined || settings.again ? `d${String(this.#next++)}` : known);
    this.loggedIn(this.logins.get(directory) ?? "");
    if (this.approval) {
      this.reached = { backend: "NeedsMachineAuth", problems: [] };
      return Promise.reject(new Error("timeout waiting for Tailscale service to enter a Running state"));
    }
    this.reached = { backend: "Running", problems: [] };
    return Promise.resolve();
  }

  stop(directory: string): Promise<void> {
    this.running.delete(directory);
    this.logins.delete(directory);
    return Promise.resolve();
  }

  #login(directory: string): Pick<Operator, "backend" | "known" | "deviceId" | "domain" | "problems"> {
    if (this.#unread > 0) {
      this.#unread -= 1;
      return { backend: "NoState", known: false, deviceId: "", domain: "", problems: [] };
    }
    const deviceId = this.logins.get(directory);
    return deviceId === undefined
      ? { backend: "NeedsLogin", known: false, deviceId: "", domain: "", problems: ["Tailscale is stopped."] }
      : { ...this.reached, known: true, deviceId, domain: this.domain };
  }
}
