import * as pulumi from "@pulumi/pulumi";
import type { SshHop, Transport } from "../../provider/schema/common.ts";
import type { Mac } from "../../provider/schema/lima.ts";
import { ownBootRevision, sourceTexts, userDataTexts } from "../machine/boot-sources.ts";
import { MachineBoot } from "../machine/machine-boot.ts";
import { machinePaths } from "../render/host-paths.ts";
import { limaProvision, limaSources } from "../render/lima-provision.ts";
import type { LimaAgentPlan } from "../render/lima-plan.ts";
import { renderArtifacts, renderNodeConf, type Artifact } from "../render/machine-files.ts";
import { renderFirewall, type Firewall } from "../render/machine-firewall.ts";
import { fullyQualifiedName, nodeTag, tailnetHostName } from "../render/names.ts";
import { unrestricted } from "../render/restrictions.ts";
import { renderUserData } from "../render/user-data.ts";
import type { Host } from "../shared/host.ts";
import type { LoginKey, Tailnet } from "../shared/tailnet.ts";
import { limaImages, limaUser } from "../upstream/lima.ts";
import { LimaDisk } from "./lima-disk.ts";
import type { LimaMac } from "./lima-mac.ts";
import { LimaVm } from "./lima-vm.ts";

export interface LimaAgentArgs {
  readonly clusterName: string;
  /** The place the Mac stands in: value of the label `homespan.dev/site`. */
  readonly site: string;
  /** Where it runs, together with the others of its Mac. */
  readonly mac: LimaMac;
  /** Its size and its names, from a blueprint (`limaAgentPlans`). */
  readonly plan: LimaAgentPlan;
  readonly tailnet: Tailnet;
  /** The cluster's key, which opens it. */
  readonly publicKey: pulumi.Input<string>;
  /** Its private half, PEM. */
  readonly privateKey: pulumi.Output<string>;
  /** What it downloads: k3s and Tailscale. */
  readonly artifacts: readonly Artifact[];
}

/**
 * An agent in a virtual machine on a Mac. Its data is on a Lima disk of its own, which is protected and outlives the virtual
 * machine: one that is made anew on it is the same node.
 */
export class LimaAgent extends pulumi.ComponentResource implements Host {
  readonly nodeName: string;
  readonly site: string;
  readonly substrate = "lima";
  readonly tailnet: Tailnet;
  readonly hostName: string;
  readonly fullyQualifiedName: string;
  readonly tag: string;
  readonly restrictions = unrestricted;
  readonly paths = machinePaths;
  readonly transport: pulumi.Output<Transport>;
  readonly identity: pulumi.Output<string>;
  readonly publishedApi = undefined;
  readonly machine: MachineBoot;
  readonly #name: string;

  constructor(name: string, args: LimaAgentArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:lima:LimaAgent", name, {}, options);
    const { clusterName, plan, tailnet } = args;
    this.#name = name;
    this.nodeName = plan.nodeName;
    this.site = args.site;
    this.tailnet = tailnet;
    this.hostName = tailnetHostName(clusterName, this.nodeName);
    this.fullyQualifiedName = fullyQualifiedName(this.hostName, tailnet.domain);
    this.tag = nodeTag(clusterName, "agent");

    const disk = this.#disk(args);
    const vm = this.#vm(args, disk);
    const login = { hostName: this.hostName, tag: this.tag, identity: disk.identity };
    const key = tailnet.loginKey(`${name}-key`, login, { parent: this });
    this.machine = this.#boot(args, { disk, vm, key });

    // The machine's output, not the disk's: what depends on it is then known to go before the machine goes.
    this.identity = this.machine.identity;
    this.transport = pulumi.secret(this.machine.transport);
    this.registerOutputs({ nodeName: this.nodeName, hostName: this.hostName });
  }

  #disk({ clusterName, mac, plan }: LimaAgentArgs): LimaDisk {
    return new LimaDisk(
      `${this.#name}-disk`,
      {
        mac: pulumi.secret(mac.connection),
        clusterName,
        nodeName: plan.nodeName,
        name: plan.dataDisk,
        sizeGiB: plan.dataDiskGiB,
      },
      { parent: this },
    );
  }

  #vm({ clusterName, mac, plan, publicKey }: LimaAgentArgs, disk: LimaDisk): LimaVm {
    const provision = pulumi
      .output(publicKey)
      .apply((authorizedKey) =>
        limaProvision({ sources: sourceTexts(limaSources), userData, authorizedKey: authorizedKey.trim() }),
      );
    return new LimaVm(
      `${this.#name}-vm`,
      {
        mac: pulumi.secret(mac.connection),
        clusterName,
        nodeName: plan.nodeName,
        name: plan.name,
        vmType: mac.vmType,
        images: [...limaImages[plan.image]],
        cpus: plan.cpus,
        memoryMiB: plan.memoryMiB,
        diskGiB: plan.diskGiB,
        dataDisk: plan.dataDisk,
        identity: disk.identity,
        network: mac.network,
        sshPort: plan.sshPort,
        provision,
        startAt: mac.startAt,
      },
      { parent: this },
    );
  }

  #boot(args: LimaAgentArgs, made: MadeMachine): MachineBoot {
    const { mac, plan, tailnet } = args;
    const files = tailnet.caCertificate.apply((caCertificate) => ({
      "steward/node.conf": renderNodeConf({
        nodeName: plan.nodeName,
        tailnetHostName: this.hostName,
        loginServer: tailnet.loginServer,
      }),
      "artifacts.conf": renderArtifacts(args.artifacts),
      "firewall.nft": renderFirewall(firewall),
      ...(caCertificate === "" ? {} : { "boot/ca.pem": caCertificate }),
    }));
    return new MachineBoot(
      `${this.#name}-boot`,
      {
        nodeName: plan.nodeName,
        machineId: made.vm.machineId,
        identity: made.disk.identity,
        // As the Mac sees it.
        address: "127.0.0.1",
        port: plan.sshPort,
        ...(mac.isLocal ? {} : { via: pulumi.secret(mac.connection.apply(hopOf)) }),
        user: limaUser.name,
        privateKey: pulumi.secret(args.privateKey),
        bootRevision: ownBootRevision,
        files,
        authKey: pulumi.secret(made.key.key),
      },
      { parent: this, dependsOn: [tailnet.policy], deletedWith: made.vm },
    );
  }
}

interface MadeMachine {
  readonly disk: LimaDisk;
  readonly vm: LimaVm;
  readonly key: LoginKey;
}

function hopOf(mac: Mac): SshHop {
  if (mac.kind === "local") throw new RangeError("`mac` must be another machine than this one, got local");
  const { kind: _, ...hop } = mac;
  return hop;
}

/** From outside of the tailnet SSH alone gets in, which Lima itself uses. */
const firewall: Firewall = { outside: "closed", sshPorts: [22], ingress: false };

/** The same for all agents, and free of everything that can be delivered later: another text makes the machine anew. */
const userData = renderUserData({
  sources: userDataTexts,
  dataDisk: "wanted",
  firewall,
  artifacts: [],
});
