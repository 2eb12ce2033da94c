/** Members of the rehearsed cluster's etcd, as one server sees them. */
import { Buffer } from "node:buffer";
import type { Member } from "./etcd.ts";
import { exec } from "./podman.ts";
import type { RehearsedStack } from "./rehearsal.ts";

interface Answer {
  readonly members?: readonly { readonly name?: string; readonly isLearner?: boolean }[];
}

/** Asked on the machine itself, with the certificates k3s keeps there. */
async function ask(stack: RehearsedStack, server: string, path: string, question: object): Promise<unknown> {
  const folder = "/data/rancher/k3s/server/tls/etcd";
  const text = await exec(stack.machine(server), [
    ...["curl", "--silent", "--show-error", "--max-time", "5", "--data", JSON.stringify(question)],
    ...[
      "--cacert",
      `${folder}/server-ca.crt`,
      "--cert",
      `${folder}/client.crt`,
      "--key",
      `${folder}/client.key`,
    ],
    // k3s serves etcd's HTTP API on its own loopback port: https://github.com/k3s-io/k3s/pull/8402
    `https://127.0.0.1:2382/v3/${path}`,
  ]);
  return JSON.parse(text);
}

async function membersOf(stack: RehearsedStack, server: string): Promise<readonly Member[]> {
  const { members = [] } = (await ask(stack, server, "cluster/member/list", {})) as Answer;
  return members.map(({ name = "", isLearner = false }) => ({ name, learner: isLearner }));
}

/** Node names of the voting members, sorted; a node that has two is there twice. */
export async function rehearsedVoters(stack: RehearsedStack, server: string): Promise<string[]> {
  const members = await membersOf(stack, server);
  return members
    .filter(({ learner }) => !learner)
    .map(({ name }) => name.replace(/-[^-]*$/, ""))
    .sort();
}

/** What etcd stores under a key of the API server's. */
export async function etcdValue(stack: RehearsedStack, server: string, key: string): Promise<Buffer> {
  const question = { key: Buffer.from(key).toString("base64") };
  const { kvs = [] } = (await ask(stack, server, "kv/range", question)) as {
    readonly kvs?: readonly { readonly value: string }[];
  };
  return Buffer.from(kvs[0]?.value ?? "", "base64");
}
