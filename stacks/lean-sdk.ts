/**
 * Keeps parts of Pulumi's SDK from being loaded that no stack uses: the automation API, and what turns functions into
 * text for dynamic providers, which brings TypeScript's compiler and npm's resolver along. Without them a program starts
 * a third faster. Imported before everything else.
 *
 * A version of the SDK that lacks one of these files loads whatever it has instead.
 */
import Module, { createRequire } from "node:module";

const unused = [
  "automation/index.js",
  "runtime/closure/serializeClosure.js",
  "runtime/closure/codePaths.js",
  "provider/index.js",
];

const require = createRequire(import.meta.url);
for (const part of unused) {
  const file = resolved(`@pulumi/pulumi/${part}`);
  if (file === undefined || require.cache[file] !== undefined) continue;
  const empty = new Module(file);
  empty.loaded = true;
  require.cache[file] = empty;
}

function resolved(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}
