/** A node whose data is on a disk of its own gets another instance, and is the same node. */
import { expect } from "vitest";
import { cloudNames } from "../../../components/render/names.ts";
import { nodeOf } from "../support/kube.ts";
import { exec } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";

/** What tells a node and its parts from others of its name. */
interface Told {
  /** Of the Node. */
  readonly uid: string;
  readonly device: string | undefined;
  readonly disk: string | undefined;
  readonly attachedTo: string | undefined;
  /** What it wrote to /data. */
  readonly file: string;
}

export class KeptNode {
  readonly #stack: RehearsedStack;
  readonly #node: string;
  readonly #before: Told;
  readonly #formerInstance: string | undefined;

  private constructor(stack: RehearsedStack, node: string, before: Told, instance: string | undefined) {
    this.#stack = stack;
    this.#node = node;
    this.#before = before;
    this.#formerInstance = instance;
  }

  /** Remembers a node that is to get another instance, and leaves something on its /data. */
  static async remember(stack: RehearsedStack, node: string): Promise<KeptNode> {
    await exec(stack.machine(node), ["sh", "-c", "echo of the first instance >/data/kept"]);
    return new KeptNode(stack, node, await told(stack, node), await instanceOf(stack, node));
  }

  async isBack(): Promise<void> {
    expect(await instanceOf(this.#stack, this.#node)).not.toBe(this.#formerInstance);
    expect(await told(this.#stack, this.#node)).toEqual(this.#before);
  }
}

async function instanceOf(stack: RehearsedStack, node: string): Promise<string | undefined> {
  return (await stack.books()).instances[stack.instance(node)]?.arn;
}

async function told(stack: RehearsedStack, node: string): Promise<Told> {
  const devices = (await stack.devices()).filter(({ name }) => name.startsWith(`${stack.instance(node)}.`));
  const disk = (await stack.books()).disks[cloudNames(stack.name, node).disk];
  return {
    uid: (await nodeOf(stack, node)).metadata.uid,
    device: devices[0]?.nodeId,
    disk: disk?.arn,
    attachedTo: disk?.attachedTo,
    file: await exec(stack.machine(node), ["cat", "/data/kept"]),
  };
}
