/** The key pair with which Pulumi reaches the machines of one cluster; made once, and kept in the state alone. */
import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { rsaPublicKeyLine } from "../logic/ssh-public-key.ts";
import { sshKeyInputs, sshKeyOutputs } from "../schema/machines.ts";
import { resource } from "../server/resource.ts";

/** RSA, as Lightsail imports no other kind; of the strength that is recommended beyond 2030 (NIST SP 800-57). */
const MODULUS_BITS = 3072;

export function sshKey() {
  return resource({
    type: "homespan:index:SshKey",
    inputs: sshKeyInputs,
    outputs: sshKeyOutputs,
    secretOutputs: ["privateKey"],
    replaceOn: ["clusterName"],
    createOnly: [],
    async create(inputs) {
      const keys = await promisify(generateKeyPair)("rsa", { modulusLength: MODULUS_BITS });
      return {
        id: `${inputs.clusterName}-ssh-key`,
        outputs: {
          ...inputs,
          publicKey: rsaPublicKeyLine(keys.publicKey, `homespan-${inputs.clusterName}`),
          privateKey: keys.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
        },
      };
    },
    read: (state) => Promise.resolve(state),
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    delete: () => Promise.resolve(),
  });
}
