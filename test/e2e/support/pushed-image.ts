/** An image that is pushed to a cluster's registry, and pods that can have it from there alone. */
import { expect } from "vitest";
import { run } from "./command.ts";
import { buildGreeting } from "./greeting.ts";
import type { Cluster } from "./cluster.ts";
import { timed } from "./report.ts";

/** Runs the command that a verb printed for it, with this name: an image that says `text`. Returns its digest. */
export async function pushGreeting(said: string, port: number, name: string, text: string): Promise<string> {
  await buildGreeting(`localhost:${String(port)}/${name}`, text);
  const printed = /^podman push .*?(?= {2,}#)/m.exec(said)?.[0] ?? "";
  await run("sh", ["-c", printed.replace("NAME:TAG", name)]);
  const digest = await digestAt(port, name);
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  return digest;
}

/** What the registry holds of `name:tag`, by its content. */
export async function digestAt(port: number, name: string): Promise<string> {
  const [repository = "", tag = ""] = name.split(":");
  const answer = await fetch(`http://127.0.0.1:${String(port)}/v2/${repository}/manifests/${tag}`, {
    headers: {
      accept:
        "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
    },
  });
  expect(answer.status).toBe(200);
  return answer.headers.get("docker-content-digest") ?? "";
}

interface RunningPod {
  readonly status: { readonly containerStatuses?: readonly { readonly imageID: string }[] };
}

/** As a namespace with Pod Security `restricted` wants it. */
const confined = {
  ...{ allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  ...{ runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: "RuntimeDefault" } },
};

/** One pod on each node, which must fetch the image; each says the text. */
export async function runOnNodes(
  cluster: Pick<Cluster, "kubectl">,
  nodes: readonly string[],
  wanted: { readonly step: string; readonly image: string; readonly digest: string; readonly text: string },
  seconds = 50,
): Promise<void> {
  const { step, image, digest, text } = wanted;
  const names = nodes.map((node) => `${step}-${node}`);
  const items = nodes.map((nodeName, index) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: names[index] } },
    spec: {
      ...{ nodeName, terminationGracePeriodSeconds: 0, tolerations: [{ operator: "Exists" }] },
      containers: [{ name: "greeting", image, imagePullPolicy: "Always", securityContext: confined }],
    },
  }));
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await cluster.kubectl(["apply", "-f", "-"], { input });
  const pods = names.map((name) => `pod/${name}`);
  await timed(`${step}: pods on ${nodes.join(", ")} run ${image}`, () =>
    cluster.kubectl(["wait", "--for=condition=Ready", `--timeout=${String(seconds)}s`, ...pods]),
  );
  for (const name of names) {
    const pod = JSON.parse(await cluster.kubectl(["get", "pod", name, "-o", "json"])) as RunningPod;
    expect(pod.status.containerStatuses?.[0]?.imageID, name).toContain(digest);
    expect((await cluster.kubectl(["logs", name])).trim(), name).toBe(text);
  }
  await cluster.kubectl(["delete", "--now", ...pods]);
}
