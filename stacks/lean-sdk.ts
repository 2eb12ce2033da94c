/**
 * Keeps Pulumi's SDK from loading and doing what no stack uses: the automation API, what turns functions into text for
 * dynamic providers (which brings TypeScript's compiler, npm's resolver and V8's debugger along), OpenTelemetry where nothing
 * is traced, a request to the engine for each debug message, and a stack trace for each promise. Imported before everything else.
 *
 * A version of the SDK that lacks one of these files does whatever it does instead. HOMESPAN_WHOLE_SDK=1 leaves all as it
 * is, for `pulumi --debug` with the SDK's own messages.
 */
import Module, { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** File -> what takes its place. */
const unused: Readonly<Record<string, object>> = {
  "automation/index.js": {},
  "runtime/closure/serializeClosure.js": {},
  "runtime/closure/codePaths.js": {},
  "provider/index.js": {},
  // Called by the runner before any program; without closures nobody asks V8 where a function came from.
  "runtime/closure/v8Hooks.js": { isInitializedAsync: () => Promise.resolve() },
};
/** Maps stack traces of compiled JavaScript back to its sources. What runs here are the sources. */
const sourceMaps = "source-map-support/register";

if (process.env["HOMESPAN_WHOLE_SDK"] !== "1") {
  for (const [part, exports] of Object.entries(unused)) leaveOut(resolved(`@pulumi/pulumi/${part}`), exports);
  leaveOut(ofSdk(sourceMaps), {});
  traceOnDemand();
  quietDebug();
  cheapPromises();
}

function leaveOut(file: string | undefined, exports: object): void {
  if (file === undefined || require.cache[file] !== undefined) return;
  const empty = new Module(file);
  empty.exports = exports;
  empty.loaded = true;
  require.cache[file] = empty;
}

/** The runner asks for a span of each of its steps, but of what traces them only with `--tracing`. */
function traceOnDemand(): void {
  const file = resolved("@pulumi/pulumi/cmd/run/tracing.js");
  const api = ofSdk("@opentelemetry/api");
  if (file === undefined || api === undefined) return;
  let whole: Tracing | undefined;
  const onDemand: Tracing = {
    start(destination) {
      Reflect.deleteProperty(require.cache, file);
      whole = require(file) as Tracing;
      whole.start(destination);
    },
    stop() {
      whole?.stop();
    },
    // Nobody has registered a tracer by then, so it is a span that records nothing.
    newSpan: (name) => whole?.newSpan(name) ?? (require(api) as Api).trace.getTracer("none").startSpan(name),
  };
  leaveOut(file, onDemand);
}

/** What `cmd/run/tracing.js` is to the runner. */
interface Tracing {
  start(destination: string): void;
  stop(): void;
  newSpan(name: string): object;
}

/** What it takes of @opentelemetry/api, which is the SDK's. */
interface Api {
  readonly trace: { getTracer(name: string): { startSpan(name: string): object } };
}

/** The engine drops debug messages unless it is asked for them; `--json` prints them, with values that are secret. */
function quietDebug(): void {
  const log = loaded("log/index.js");
  if (log !== undefined) log["debug"] = () => Promise.resolve();
}

/** Where each promise came from is shown with PULUMI_DEBUG_PROMISE_LEAKS alone, and written down for all of them. */
function cheapPromises(): void {
  const debuggable = loaded("runtime/debuggable.js");
  const original = debuggable?.["debuggablePromise"];
  if (debuggable === undefined || typeof original !== "function") return;
  if (debuggable["debugPromiseLeaks"] === true) return;
  debuggable["debuggablePromise"] = (...args: unknown[]): unknown => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return Reflect.apply(original, debuggable, args) as unknown;
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
}

function loaded(part: string): Record<string, unknown> | undefined {
  const file = resolved(`@pulumi/pulumi/${part}`);
  return file === undefined ? undefined : (require(file) as Record<string, unknown>);
}

/** A package that the SDK depends on, as the SDK finds it. */
function ofSdk(name: string): string | undefined {
  const sdk = resolved("@pulumi/pulumi/package.json");
  return sdk === undefined ? undefined : resolved(name, createRequire(sdk));
}

function resolved(name: string, from: NodeJS.Require = require): string | undefined {
  try {
    return from.resolve(name);
  } catch {
    return undefined;
  }
}
