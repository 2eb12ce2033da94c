/**
 * The configuration a machine finds at its first start. What of it can be delivered later is as it was when the machine was
 * made: another version of it is delivered, and makes no other machine.
 */
import { sha256 } from "../logic/join-files.ts";
import { firstConfigurationInputs, firstConfigurationOutputs } from "../schema/libvirt.ts";
import { resource } from "../server/resource.ts";

export function firstConfiguration() {
  return resource({
    type: "homespan:index:FirstConfiguration",
    inputs: firstConfigurationInputs,
    outputs: firstConfigurationOutputs,
    secretOutputs: [],
    // An update, whose preview says which `config` comes: what is made of it shows then that it is replaced.
    replaceOn: [],
    createOnly: ["config"],
    create: (inputs) => Promise.resolve({ id: sha256(inputs.keepers), outputs: inputs }),
    read: (state) => Promise.resolve(state),
    update: (_state, inputs) => Promise.resolve(inputs),
    delete: () => Promise.resolve(),
  });
}
