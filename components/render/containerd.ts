import { k3sPaths } from "../upstream/k3s.ts";
import type { Restrictions } from "./restrictions.ts";

const importedFile = `${k3sPaths.containerdDirectory}/homespan.toml`;

/**
 * containerd's settings on a restricted machine, absolute path inside the k3s container -> content; empty where
 * k3s's own configuration works as it is.
 *
 * The template keeps k3s's base and imports one table: containerd merges imported tables, so the base may change with
 * k3s's version. Without `restrict_oom_score_adj` every pod sandbox fails with "can't get final child's PID from
 * pipe: EOF" where CAP_SYS_RESOURCE is missing.
 */
export function renderContainerd(restrictions: Restrictions): Record<string, string> {
  if (!restrictions.noSysResource) {
    return {};
  }
  return {
    [`${k3sPaths.containerdDirectory}/config-v3.toml.tmpl`]: `imports = ["${importedFile}"]\n{{ template "base" . }}\n`,
    [importedFile]: `version = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n`,
  };
}
