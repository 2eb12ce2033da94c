/** The admin kubeconfig, for the first server that answers. */
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import { Unreachable } from "../effects/kubernetes.ts";
import { waitFor } from "../effects/wait.ts";
import { stuckText } from "../logic/stage.ts";
import { kubeconfigInputs, kubeconfigOutputs } from "../schema/resources.ts";
import { type CallContext, resource } from "../server/resource.ts";

type Settings = z.output<typeof kubeconfigInputs>;
type Server = Settings["servers"][number];

/** Below /data: what k3s writes for its own administrator. */
const K3S_KUBECONFIG = "etc/rancher/k3s/k3s.yaml";

export function kubeconfig({ nodes, kubernetes, nodeLists, clock }: Effects) {
  /** The kubeconfig by way of one server, or `undefined` while it does not answer. */
  const from = async (inputs: Settings, server: Server): Promise<string | undefined> => {
    if (!(await kubernetes.ping(server.url, inputs.proxyUrl))) return undefined;
    const text = await nodes.show(server.transport, K3S_KUBECONFIG);
    if (text === undefined || text === "") return undefined;
    const { adminKubeconfig } = await import("../logic/kubeconfig.ts");
    const made = adminKubeconfig(text, { ...inputs, url: server.url });
    try {
      const api = await kubernetes.connect({ kubeconfig: made, endpoints: [server.url] });
      const { status } = await api.call("GET", "/readyz");
      // Any other answer may mean that the file was of an earlier cluster.
      return status === 200 ? made : undefined;
    } catch (error) {
      if (error instanceof Unreachable) return undefined;
      throw error;
    }
  };

  const build = async (inputs: Settings, { signal, timeoutSeconds }: CallContext) => {
    const seconds = timeoutSeconds > 0 ? timeoutSeconds : inputs.waitSeconds;
    let away = "";
    const found = await waitFor(
      async () => {
        try {
          for (const server of inputs.servers) {
            const text = await from(inputs, server);
            if (text !== undefined) return { endpoint: server.url, kubeconfig: text };
          }
          away = "";
        } catch (error) {
          if (!(error instanceof Unreachable)) throw error;
          away = `${error.message}; `;
        }
        return undefined;
      },
      { seconds, signal, clock, firstMilliseconds: 200, maximumMilliseconds: 400 },
    );
    if (found !== undefined) return { ...inputs, ...found };
    const reasons = await Promise.all(
      inputs.servers.map(
        async (server) =>
          `${server.nodeName}: ${stuckText(await nodes.stages(server.transport), clock.now())}`,
      ),
    );
    throw new Error(`no API server answered within ${String(seconds)} s. ${away}${reasons.join("; ")}`);
  };

  return resource({
    type: "homespan:index:Kubeconfig",
    inputs: kubeconfigInputs,
    outputs: kubeconfigOutputs,
    secretOutputs: ["kubeconfig"],
    replaceOn: ["clusterName", "clusterId"],
    createOnly: ["waitSeconds"],
    drift: (state) => (state.endpoint === "" ? ["endpoint"] : []),
    async create(inputs, context) {
      const outputs = await build(inputs, context);
      return { id: `${inputs.clusterName}-kubeconfig`, outputs };
    },
    async read(state) {
      const urls = state.servers.map((server) => server.url);
      const access = {
        kubeconfig: state.kubeconfig,
        endpoints: [state.endpoint].filter((url) => url !== ""),
      };
      try {
        // The memberships ask the same question: with one server there is one request for all of them.
        await nodeLists.list({
          ...access,
          endpoints: access.endpoints.length === 0 ? urls : access.endpoints,
        });
        return state;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
      }
      // Only where another server answers (by another endpoint, or with another authority) is there anything to mend.
      const answers = await Promise.allSettled(urls.map((url) => kubernetes.ping(url, state.proxyUrl)));
      const another = answers.some((answer) => answer.status === "fulfilled" && answer.value);
      return another ? { ...state, endpoint: "" } : state;
    },
    update: (_state, inputs, context) => build(inputs, context),
    delete: () => Promise.resolve(),
  });
}
