/** With `ingress: true` 80 and 443 answer on the servers' public addresses, and on nobody else's. */
import { expect, test } from "vitest";
import { images } from "../../../components/upstream/images.ts";
import { serviceLbLabel } from "../../../components/upstream/k3s.ts";
import { standInForServiceLb } from "../support/klipper.ts";
import { holds, nodesOf, podsOf } from "../support/kube.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { knock, scanTcp } from "../support/rehearsal-ports.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const ports = [80, 443];
const greeting = "from a pod";
const selector = "svccontroller.k3s.cattle.io/svcname=web";

/** What an ingress controller is to ServiceLB: a Service of the kind LoadBalancer, here with a pod as Pod Security `restricted` wants it. */
const web = {
  apiVersion: "v1",
  kind: "List",
  items: [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "web" } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "web" },
      spec: {
        type: "LoadBalancer",
        selector: { app: "web" },
        ports: ports.map((port) => ({ name: `port-${port.toString()}`, port, targetPort: 8080 })),
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "web" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: {
            terminationGracePeriodSeconds: 0,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 65534,
              seccompProfile: { type: "RuntimeDefault" },
            },
            volumes: [{ name: "www", emptyDir: {} }],
            containers: [
              {
                name: "web",
                image: images.busybox,
                imagePullPolicy: "IfNotPresent",
                command: [
                  ...["busybox", "sh", "-c"],
                  `echo ${greeting} >/www/index.html && exec busybox httpd -f -p 8080 -h /www`,
                ],
                volumeMounts: [{ name: "www", mountPath: "/www" }],
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
              },
            ],
          },
        },
      },
    },
  ],
};

async function imageOfServiceLb(stack: RehearsedStack): Promise<string> {
  const path = "jsonpath={.items[0].spec.template.spec.containers[0].image}";
  const found = await stack.kubectl([
    ...["get", "daemonsets", "--namespace", "kube-system", "--selector", selector, "--output", path],
  ]);
  if (found === "") throw new Error("ServiceLB made nothing");
  return found;
}

export function rehearsalIngress(
  stack: RehearsedStack,
  { servers, agents }: { readonly servers: readonly string[]; readonly agents: readonly string[] },
): void {
  test("a Service is led to from the servers' nodes alone", async () => {
    await stack.kubectl(["apply", "--filename", "-"], { input: JSON.stringify(web) });
    const image = await eventually("ServiceLB has seen the Service", 30, () => imageOfServiceLb(stack));
    if ((await stack.environment())["HOMESPAN_CLUSTER_IMAGES"] !== undefined) {
      await standInForServiceLb(stack, servers, image);
    }
    for (const { metadata } of await nodesOf(stack)) {
      const pinned = servers.includes(metadata.name) ? serviceLbLabel.value : undefined;
      expect(metadata.labels?.[serviceLbLabel.key], metadata.name).toBe(pinned);
    }
    await eventually("ServiceLB is ready on all servers", 120, async () => {
      const pods = await podsOf(stack, "kube-system", selector);
      expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(servers);
      expect(pods.filter((pod) => !holds(pod, "Ready"))).toEqual([]);
      expect((await podsOf(stack, "web")).filter((pod) => holds(pod, "Ready"))).toHaveLength(1);
    });
    const status = await stack.kubectl([
      ...["get", "service", "--namespace", "web", "web", "--output"],
      "jsonpath={.status.loadBalancer.ingress[*].ip}",
    ]);
    const addresses = await Promise.all(servers.map((server) => stack.publicAddress(server)));
    expect(status.split(" ").sort()).toEqual(addresses.sort());
  });

  test("it answers on 80 and 443 of each server's public address, where SSH is all else that does", async () => {
    for (const server of servers) {
      const address = await stack.publicAddress(server);
      for (const port of ports) {
        const answer = await eventually(`${server} answers on ${port.toString()}`, 20, () =>
          fetch(`http://${address}:${port.toString()}/`, { signal: AbortSignal.timeout(5000) }),
        );
        expect((await answer.text()).trim()).toBe(greeting);
      }
    }
    const [server = ""] = servers;
    const address = await stack.publicAddress(server);
    const scan = await timed("all 65,535 TCP ports of a server with ingress", () => scanTcp(address, 1.2));
    expect(scan).toEqual({ open: [22, ...ports], refused: [] });
  });

  test("an agent's public address says nothing on them", async () => {
    for (const agent of agents) {
      const address = await stack.publicAddress(agent);
      expect(await knock(address, 22, 5)).toBe("open");
      for (const port of ports) expect(await knock(address, port, 3)).toBe("silent");
    }
  });
}
