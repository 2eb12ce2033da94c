import { Provider } from "@pulumi/libvirt/provider.js";
import * as pulumi from "@pulumi/pulumi";

export interface LibvirtHostArgs {
  /** How libvirt is reached: `qemu:///system`, `qemu+ssh://user@nas/system`. https://libvirt.org/uri.html */
  readonly uri: string;
  /** The place the host stands in: value of the label `homespan.dev/site`. */
  readonly site: string;
  /**
   * The storage pool that takes the disks. It must be there, and active.
   *
   * @default default
   */
  readonly pool?: string;
  /**
   * `kvm`: the host's processor runs the virtual machines. `qemu`: QEMU imitates one, many times slower; for hosts without
   * KVM, such as most of CI's.
   *
   * @default kvm
   */
  readonly type?: "kvm" | "qemu";
  /**
   * Features of the host's processor that virtual machines do not see, in libvirt's words. Where the host is a virtual
   * machine itself, QEMU may not start with `arch-capabilities`: "failed to set MSR 0x10a".
   *
   * @default none
   */
  readonly hiddenCpuFeatures?: readonly string[];
}

/** A machine with libvirt, on which virtual machines are made. It is looked at, and nothing on it is changed but for these. */
export class LibvirtHost extends pulumi.ComponentResource {
  readonly uri: string;
  readonly site: string;
  readonly pool: string;
  readonly type: "kvm" | "qemu";
  readonly hiddenCpuFeatures: readonly string[];
  readonly provider: Provider;

  constructor(name: string, args: LibvirtHostArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:libvirt:LibvirtHost", name, {}, options);
    this.uri = args.uri;
    this.site = args.site;
    this.pool = args.pool ?? "default";
    this.type = args.type ?? "kvm";
    this.hiddenCpuFeatures = args.hiddenCpuFeatures ?? [];
    this.provider = new Provider(`${name}-libvirt`, { uri: args.uri }, { parent: this });
    this.registerOutputs({ uri: this.uri });
  }
}
