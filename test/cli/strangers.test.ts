/** Nodes that a restored cluster knows and the stack does not. */
import { expect, test } from "vitest";
import type { Outputs } from "../../cli/cluster.ts";
import { removeStrangers } from "../../cli/snapshots/strangers.ts";
import { type Bed, kubernetesNodes, outputs, withCluster } from "./bed.ts";
import { bed, failure } from "./verb-support.ts";

const patience = { askSeconds: 0.3, watchSeconds: 0.1, pauseSeconds: 0.01 };
const cluster = outputs as Outputs;
const [first] = kubernetesNodes.items;
const named = (name: string): object => ({ ...(first as object), metadata: { name } });

const leases = (renewed: Readonly<Record<string, string>>): object => ({
  items: Object.entries(renewed).map(([name, renewTime]) => ({ metadata: { name }, spec: { renewTime } })),
});

/** A cluster that also knows these, whose leases are the snapshot's. */
function knowing(...names: readonly string[]): Bed {
  const made = withCluster(bed());
  const items = [...kubernetesNodes.items, ...names.map(named)];
  made.environment["FAKE_KUBERNETES_NODES"] = made.file("restored.json", { items });
  made.environment["FAKE_LEASES"] = made.file(
    "leases.json",
    leases(Object.fromEntries(names.map((name) => [name, "2026-11-21T11:00:00Z"]))),
  );
  return made;
}
const remove = ({ context }: Bed): Promise<void> => removeStrangers(context, "l", cluster, patience);
const deletions = (made: Bed): string[] => made.calls().filter((call) => call.includes("|delete "));

test("are kept where a kubelet is behind them, as with an agent of a stack that joins", async () => {
  const made = knowing("desk", "nas", "gone");
  // The second had no lease when the snapshot was taken.
  made.file("leases.json", leases({ desk: "2026-11-21T11:00:00Z", gone: "2026-11-21T11:00:00Z" }));
  made.file(
    "leases.json.next",
    leases({
      desk: "2026-11-22T09:30:00Z",
      nas: "2026-11-22T09:30:01Z",
      gone: "2026-11-21T11:00:00Z",
    }),
  );
  await remove(made);
  expect(deletions(made).map((call) => call.split("--wait=false ")[1])).toEqual([
    "secret --namespace kube-system gone.node-password.k3s",
    "node gone",
  ]);
  expect(made.said).toEqual([
    "waiting up to 0.1 s for word of nodes that are not this stack's: desk, nas, gone",
    "kept nodes that are not this stack's: desk, nas",
    "removed nodes that the stack has no more: gone",
  ]);
});

test("are removed although their leases go meanwhile", async () => {
  const made = knowing("gone");
  made.file("leases.json.next", leases({}));
  await remove(made);
  expect(deletions(made)).toHaveLength(2);
});

test("are waited for no longer than it takes to hear of all", async () => {
  const made = knowing("desk");
  made.file("leases.json.next", leases({ desk: "2026-11-22T09:30:00Z" }));
  await removeStrangers(made.context, "l", cluster, { ...patience, watchSeconds: 600 });
  expect(deletions(made)).toEqual([]);
});

test("are not taken for dead where nobody could be asked", async () => {
  const made = knowing("desk");
  made.environment["FAKE_LEASES"] = "/nonexistent/leases.json";
  const { message } = await failure(remove(made));
  expect(message).toContain("it could not be asked which nodes of the restored cluster live");
  expect(deletions(made)).toEqual([]);
});

test("are removed with their passwords", async () => {
  const made = knowing("agent-8", "agent-9");
  await remove(made);
  expect(deletions(made)).toEqual([
    "kubectl|600|delete --ignore-not-found --wait=false secret --namespace kube-system " +
      "agent-8.node-password.k3s agent-9.node-password.k3s",
    "kubectl|600|delete --ignore-not-found --wait=false node agent-8 agent-9",
  ]);
  expect(made.said.at(-1)).toBe("removed nodes that the stack has no more: agent-8, agent-9");
});

test("where there are none, nothing is removed", async () => {
  const made = knowing();
  await remove(made);
  expect(made.calls()).toEqual(["kubectl|600"]);
  expect(made.said).toEqual([]);
});

test("are asked for again when there is no answer", async () => {
  const made = knowing("agent-9");
  made.environment["FAKE_UNANSWERED"] = made.file("unanswered", "once\n");
  await remove(made);
  expect(deletions(made)).toHaveLength(2);
});

test("no answer at all is a failure that says what to do, and no sign that there are none", async () => {
  const made = knowing("agent-9");
  made.environment["FAKE_UNANSWERED"] = made.file("unanswered", "again\n".repeat(1000));
  const { message } = await failure(remove(made));
  expect(message).toBe(
    "for 0.3 s it could not be asked which nodes the restored cluster has: " +
      "Unable to connect to the server: net/http: TLS handshake timeout\nfix: go on with ./homespan restore l",
  );
  expect(made.calls().length).toBeGreaterThan(1);
  expect(deletions(made)).toEqual([]);
});

test.each([
  ["Node", "agent-9", 2],
  ["password", "agent-9.node-password.k3s", 1],
])("a %s that is left is a failure that says what to do", async (_, undeleted, tried) => {
  const made = knowing("agent-9");
  made.environment["FAKE_UNDELETED"] = undeleted;
  const { message } = await failure(remove(made));
  expect(message).toContain("nodes of before are left, agent-9: Error from server (Timeout)");
  expect(message).toContain("fix: go on with ./homespan restore l");
  // A Node that is gone would hide a password that is not.
  expect(deletions(made)).toHaveLength(tried);
  expect(made.said.join("\n")).not.toContain("removed");
});
