/** What one package's plugin does beside its resources. */
import type { Change } from "./diff.ts";
import type { Properties } from "./values.ts";

/** The package a server stands for. */
export interface ProviderPackage {
  /** First part of its types, `homespan`. */
  readonly name: string;
  /** What messages call it. */
  readonly title: string;
  /** Checks the configuration of a provider resource; without it every one is taken as it is. */
  readonly checkConfig?: (news: Properties) => {
    readonly inputs: Properties;
    readonly problems: readonly string[];
  };
  /** Changes of a provider's configuration; a replacing one replaces everything made with it. */
  readonly diffConfig?: (olds: Properties, news: Properties) => readonly Change[];
  /** Called once with the checked configuration, before any resource. */
  readonly configure?: (inputs: Properties) => void;
}

export const homespanPackage: ProviderPackage = { name: "homespan", title: "the homespan provider" };
