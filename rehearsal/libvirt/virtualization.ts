/** What virtual machines run on here: KVM where it works, else QEMU alone (TCG), which is many times slower. */
import { existsSync } from "node:fs";
import { type Run, runProcess } from "../../provider/effects/process.ts";

export interface Virtualization {
  readonly type: "kvm" | "qemu";
  /** What of the processor a virtual machine must not see, or QEMU does not start. */
  readonly hiddenCpuFeatures: readonly string[];
}

/** Says `no` to take QEMU alone where KVM would work, too. */
const variable = "HOMESPAN_KVM";

/** KVM of the processor's own making: where it is software's (kvm_pvm), a boot loader's first steps end in "emulation failure". */
const processors = ["/sys/module/kvm_intel", "/sys/module/kvm_amd"];

const qemuAlone: Virtualization = { type: "qemu", hiddenCpuFeatures: [] };

export async function virtualization(run: Run = runProcess): Promise<Virtualization> {
  const there = [["/dev/kvm"], processors].every((paths) => paths.some((path) => existsSync(path)));
  if (process.env[variable] === "no" || !there) return qemuAlone;
  // In a virtual machine the second one may be needed.
  for (const hiddenCpuFeatures of [[], ["arch-capabilities"]]) {
    if (await starts(hiddenCpuFeatures, run)) return { type: "kvm", hiddenCpuFeatures };
  }
  return qemuAlone;
}

/** Which one it is, for people. */
export function virtualizationWords({ type, hiddenCpuFeatures }: Virtualization): string {
  const hidden = hiddenCpuFeatures.length === 0 ? "" : ` without ${hiddenCpuFeatures.join(", ")}`;
  return `virtual machines run on ${type === "kvm" ? "KVM" : "QEMU alone (TCG)"}${hidden}`;
}

/** A machine without a system: what KVM refuses, it refuses at once. */
async function starts(hidden: readonly string[], run: Run): Promise<boolean> {
  const cpu = ["host", ...hidden.map((feature) => `${feature}=off`)].join(",");
  const machine = ["-machine", "q35,accel=kvm", "-cpu", cpu, "-m", "64", "-nodefaults", "-display", "none"];
  const { code } = await run("qemu-system-x86_64", [...machine, "-monitor", "stdio"], {
    input: "quit\n",
    timeoutSeconds: 60,
  });
  return code === 0;
}
