/**
 * What virtual machines run on here: KVM where it works, else QEMU alone (TCG), which is many times slower. Which one it was
 * is said.
 */
import { existsSync } from "node:fs";
import { execa } from "execa";

export interface Virtualization {
  readonly type: "kvm" | "qemu";
  /** What of the processor a virtual machine must not see, or QEMU does not start. */
  readonly hiddenCpuFeatures: readonly string[];
}

/** Says `no` to take QEMU alone where KVM would work, too. */
const variable = "HOMESPAN_TEST_KVM";

/** KVM of the processor's own making: where it is software's (kvm_pvm), a boot loader's first steps end in "emulation failure". */
const processors = ["/sys/module/kvm_intel", "/sys/module/kvm_amd"];

export async function virtualization(): Promise<Virtualization> {
  const found = await find();
  const hidden = found.hiddenCpuFeatures.length === 0 ? "" : ` without ${found.hiddenCpuFeatures.join(", ")}`;
  process.stdout.write(
    `    virtual machines run on ${found.type === "kvm" ? "KVM" : "QEMU alone (TCG)"}${hidden}\n`,
  );
  return found;
}

async function find(): Promise<Virtualization> {
  const there = [["/dev/kvm"], processors].every((paths) => paths.some((path) => existsSync(path)));
  if (process.env[variable] === "no" || !there) return { type: "qemu", hiddenCpuFeatures: [] };
  // In a virtual machine the second one may be needed.
  for (const hiddenCpuFeatures of [[], ["arch-capabilities"]]) {
    if (await starts(hiddenCpuFeatures)) return { type: "kvm", hiddenCpuFeatures };
  }
  return { type: "qemu", hiddenCpuFeatures: [] };
}

/** A machine without a system: what KVM refuses, it refuses at once. */
async function starts(hidden: readonly string[]): Promise<boolean> {
  const cpu = ["host", ...hidden.map((feature) => `${feature}=off`)].join(",");
  const machine = ["-machine", "q35,accel=kvm", "-cpu", cpu, "-m", "64", "-nodefaults", "-display", "none"];
  const { failed } = await execa("qemu-system-x86_64", [...machine, "-monitor", "stdio"], {
    input: "quit\n",
    timeout: 60_000,
    reject: false,
  });
  return !failed;
}
