/** Disks: CreateDisk, DeleteDisk, AttachDisk, DetachDisk, GetDisk. */
import { lightsailQuotas } from "../../../../components/upstream/lightsail.ts";
import type { Account } from "../account.ts";
import type { AwsBooks, DiskEntry } from "../books.ts";
import { invalidInput, notFound } from "../errors.ts";
import { knownInstance, liveInstance } from "./instances.ts";
import {
  checkNewName,
  checkTags,
  checkZone,
  entryIn,
  inRegion,
  newArn,
  newSupportCode,
  timeText,
} from "./rules.ts";

/** Device names Lightsail takes. https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_AttachDisk.html */
const pathPattern = /^\/dev\/xvd[f-z]$/;

export interface DiskOrder {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  readonly sizeInGb: number;
  readonly tags: Readonly<Record<string, string>>;
}

export async function createDisk(account: Account, order: DiskOrder): Promise<void> {
  const { name, region, zone, sizeInGb, tags } = order;
  checkDisk(await account.books.read(), order);
  // Before it is in the books: whoever is killed here leaves a disk that the next order of that name gets.
  await account.machines.createDisk({ name, zone, sizeGiB: sizeInGb });
  await account.books.change((books) => {
    checkDisk(books, order);
    books.disks[name] = {
      arn: newArn(region, "Disk"),
      supportCode: newSupportCode("vol"),
      ...{ region, zone, sizeInGb, tags: { ...tags } },
      createdAt: timeText(account.now()),
    };
  });
}

function checkDisk(books: AwsBooks, { name, region, zone, sizeInGb, tags }: DiskOrder): void {
  const { min, max } = lightsailQuotas.diskGiB;
  checkZone(region, zone);
  checkNewName(books, name);
  checkTags(tags);
  if (sizeInGb < min || sizeInGb > max) throw invalidInput(`A disk has ${min} to ${max} GB: ${sizeInGb}`);
}

/** The disk as it is; one of an instance that is gone is not attached. */
export async function findDisk(
  account: Account,
  region: string,
  name: string,
): Promise<DiskEntry | undefined> {
  const entry = entryIn((await account.books.read()).disks, region, name);
  if (entry === undefined) return undefined;
  const { attachedTo, path: _, ...free } = entry;
  if (attachedTo === undefined || (await liveInstance(account, region, attachedTo)) !== undefined)
    return entry;
  return free;
}

async function knownDisk(account: Account, region: string, name: string): Promise<DiskEntry> {
  const found = await findDisk(account, region, name);
  if (found === undefined) throw notFound("Disk", name);
  return found;
}

export async function deleteDisk(account: Account, region: string, name: string): Promise<void> {
  const found = await knownDisk(account, region, name);
  if (found.attachedTo !== undefined) {
    throw invalidInput(`The disk ${name} is attached to the instance ${found.attachedTo}; detach it first`);
  }
  await account.machines.removeDisk(name);
  await account.books.change((books) => Reflect.deleteProperty(books.disks, name));
}

export async function tagDisk(
  account: Account,
  region: string,
  name: string,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  checkTags(tags);
  await knownDisk(account, region, name);
  await account.books.change((books) => {
    const disk = books.disks[name];
    if (disk !== undefined) disk.tags = { ...tags };
  });
}

export async function attachDisk(
  account: Account,
  region: string,
  name: string,
  at: { readonly instanceName: string; readonly path: string },
  signal: AbortSignal,
): Promise<void> {
  const { instanceName, path } = at;
  const disk = await knownDisk(account, region, name);
  if (!pathPattern.test(path)) throw invalidInput(`The disk path must be /dev/xvdf to /dev/xvdz: ${path}`);
  if (disk.attachedTo !== undefined) {
    throw invalidInput(`The disk ${name} is already attached to the instance ${disk.attachedTo}`);
  }
  const instance = await knownInstance(account, region, instanceName, signal);
  if (instance.zone !== disk.zone) {
    throw invalidInput(
      `The disk ${name} is in ${disk.zone} and the instance ${instanceName} in ${instance.zone}: both must be in the same Availability Zone`,
    );
  }
  checkAttachment(await account.books.read(), region, name, at);
  // Before it is in the books, which whoever is killed here must not find ahead of the machine.
  if (instance.machine === "made") await account.machines.attachDisk(instanceName, name, path);
  await account.books.change((books) => {
    checkAttachment(books, region, name, at);
    const mine = books.disks[name];
    if (mine === undefined) throw notFound("Disk", name);
    mine.attachedTo = instanceName;
    mine.path = path;
  });
}

function checkAttachment(
  books: AwsBooks,
  region: string,
  name: string,
  { instanceName, path }: { readonly instanceName: string; readonly path: string },
): void {
  const attached = inRegion(books.disks, region).filter(([, { attachedTo }]) => attachedTo !== undefined);
  const here = attached.filter(([, { attachedTo }]) => attachedTo === instanceName);
  if (here.some(([, other]) => other.path === path)) {
    throw invalidInput(`The disk path ${path} is already in use on the instance ${instanceName}`);
  }
  if (here.length >= lightsailQuotas.disksPerInstance) {
    throw invalidInput(`An instance has at most ${lightsailQuotas.disksPerInstance} attached disks`);
  }
  const size = books.disks[name]?.sizeInGb ?? 0;
  const total = attached.reduce((sum, [, { sizeInGb }]) => sum + sizeInGb, size);
  if (total > lightsailQuotas.attachedDiskGiBPerRegion) {
    throw invalidInput(
      `You have reached the quota of ${lightsailQuotas.attachedDiskGiBPerRegion} GB of attached disks in ${region}: this disk would make it ${total}`,
    );
  }
}

export async function detachDisk(
  account: Account,
  region: string,
  name: string,
  instanceName: string,
): Promise<void> {
  const disk = await knownDisk(account, region, name);
  if (disk.attachedTo === undefined) throw invalidInput(`The disk ${name} is not attached`);
  const instance = (await account.books.read()).instances[instanceName];
  if (instance?.machine === "made") await account.machines.detachDisk(instanceName, name);
  await account.books.change((books) => {
    const mine = books.disks[name];
    if (mine === undefined) return;
    delete mine.attachedTo;
    delete mine.path;
  });
}
