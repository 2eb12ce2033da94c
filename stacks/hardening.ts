/** From a stack's settings to what the k3s hardening guide asks of its cluster. */
import type { AuditLog, Hardening, PodSecurity } from "../components/render/hardening.ts";
import { systemNamespace } from "../components/upstream/hardening.ts";

/** Settings of stacks whose clusters are hardened. */
interface HardenedSettings {
  readonly podSecurity: PodSecurity;
  readonly auditLog: AuditLog;
  readonly extraConfig: { readonly server: Readonly<Record<string, unknown>> };
}

/** What k3s itself deploys is admitted, wherever it stands. */
export function hardeningOf({ podSecurity, auditLog, extraConfig }: HardenedSettings): Hardening {
  const { enforce, exemptNamespaces } = podSecurity;
  const moved = extraConfig.server["servicelb-namespace"];
  const system = [systemNamespace, ...(typeof moved === "string" ? [moved] : [])];
  return { podSecurity: { enforce, exemptNamespaces: [...system, ...exemptNamespaces] }, auditLog };
}
