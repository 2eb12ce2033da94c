/** Static IPs: AllocateStaticIp, AttachStaticIp, DetachStaticIp, ReleaseStaticIp, GetStaticIp. */
import { hostAddress } from "../../../../components/render/address.ts";
import { lightsailQuotas } from "../../../../components/upstream/lightsail.ts";
import type { Account } from "../account.ts";
import type { AwsBooks, StaticIpEntry } from "../books.ts";
import { invalidInput, notFound } from "../errors.ts";
import { knownInstance, liveInstance } from "./instances.ts";
import { checkNewName, entryIn, inRegion, newArn, newSupportCode } from "./rules.ts";

/** Which addresses of the rehearsal's public range are static ones (rehearsal/machines/machines.ts). */
const STATIC_HOSTS = Array.from({ length: 127 }, (_, index) => 128 + index);

export async function allocateStaticIp(account: Account, region: string, name: string): Promise<void> {
  const range = await account.publicRange();
  await account.books.change((books) => {
    checkNewName(books, name);
    if (inRegion(books.staticIps, region).length >= lightsailQuotas.staticIpsPerRegion) {
      throw invalidInput(
        `You have reached the quota of ${lightsailQuotas.staticIpsPerRegion} static IPs in ${region}`,
      );
    }
    const taken = Object.values(books.staticIps).map(({ address }) => address);
    const address = STATIC_HOSTS.map((host) => hostAddress(range, host)).find((it) => !taken.includes(it));
    if (address === undefined) throw invalidInput("There is no free address any more");
    const supportCode = newSupportCode("eipalloc");
    books.staticIps[name] = { arn: newArn(region, "StaticIp"), supportCode, region, address };
  });
}

/** The static IP as it is; one of an instance that is gone is not attached. */
export async function findStaticIp(
  account: Account,
  region: string,
  name: string,
): Promise<StaticIpEntry | undefined> {
  const entry = entryIn((await account.books.read()).staticIps, region, name);
  if (entry === undefined) return undefined;
  const { attachedTo, ...free } = entry;
  if (attachedTo === undefined || (await liveInstance(account, region, attachedTo)) !== undefined)
    return entry;
  return free;
}

export async function attachStaticIp(
  account: Account,
  region: string,
  name: string,
  instanceName: string,
  signal: AbortSignal,
): Promise<void> {
  const found = await findStaticIp(account, region, name);
  if (found === undefined) throw notFound("StaticIp", name);
  if (found.attachedTo !== undefined && found.attachedTo !== instanceName) {
    throw invalidInput(`The static IP ${name} is already attached to the instance ${found.attachedTo}`);
  }
  const { machine } = await knownInstance(account, region, instanceName, signal);
  checkFree(await account.books.read(), name, instanceName);
  // Before it is in the books, which whoever is killed here must not find ahead of the machine.
  if (machine === "made") await account.machines.setAddress(instanceName, found.address);
  await account.books.change((books) => {
    checkFree(books, name, instanceName);
    const ip = books.staticIps[name];
    const instance = books.instances[instanceName];
    if (ip === undefined || instance === undefined) throw notFound("StaticIp", name);
    ip.attachedTo = instanceName;
    instance.publicAddress = ip.address;
  });
}

function checkFree(books: AwsBooks, name: string, instanceName: string): void {
  const other = Object.entries(books.staticIps).find(
    ([its, ip]) => ip.attachedTo === instanceName && its !== name,
  );
  if (other === undefined) return;
  throw invalidInput(`The instance ${instanceName} already has a static IP: ${other[0]}`);
}

export async function detachStaticIp(account: Account, region: string, name: string): Promise<void> {
  const found = await findStaticIp(account, region, name);
  if (found === undefined) throw notFound("StaticIp", name);
  const instanceName = found.attachedTo;
  if (instanceName === undefined) throw invalidInput(`The static IP ${name} is not attached to an instance`);
  const instance = (await account.books.read()).instances[instanceName];
  const address =
    instance?.machine === "made" ? await account.machines.setAddress(instanceName, undefined) : "";
  await account.books.change((books) => {
    const ip = books.staticIps[name];
    if (ip !== undefined) delete ip.attachedTo;
    const mine = books.instances[instanceName];
    if (mine !== undefined) mine.publicAddress = address;
  });
}

export async function releaseStaticIp(account: Account, region: string, name: string): Promise<void> {
  const found = await findStaticIp(account, region, name);
  if (found === undefined) throw notFound("StaticIp", name);
  if (found.attachedTo !== undefined) {
    throw invalidInput(
      `The static IP ${name} is attached to the instance ${found.attachedTo}; detach it first`,
    );
  }
  await account.books.change((books) => Reflect.deleteProperty(books.staticIps, name));
}
