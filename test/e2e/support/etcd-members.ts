/**
 * etcd-members.ts FOLDER: asks the etcd of the node in whose network it runs for its members, with the certificates
 * k3s keeps in FOLDER (server/tls/etcd), and prints `[{"name","learner"}]`.
 *
 * k3s serves etcd's HTTP API on its own loopback port: https://github.com/k3s-io/k3s/pull/8402
 */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { text } from "node:stream/consumers";

interface Members {
  readonly members?: readonly { readonly name?: string; readonly isLearner?: boolean }[];
}

const [folder = ""] = process.argv.slice(2);
const call = request(
  {
    host: "127.0.0.1",
    port: 2382,
    path: "/v3/cluster/member/list",
    method: "POST",
    ca: readFileSync(`${folder}/server-ca.crt`),
    cert: readFileSync(`${folder}/client.crt`),
    key: readFileSync(`${folder}/client.key`),
    timeout: 5000,
  },
  (response) => {
    void text(response).then((body) => {
      const { members } = JSON.parse(body) as Members;
      const brief = (members ?? []).map(({ name, isLearner }) => ({
        name: name ?? "",
        learner: isLearner ?? false,
      }));
      process.stdout.write(`${JSON.stringify(brief)}\n`);
    });
  },
);
call.once("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
call.end("{}");
