/** The engine that started a plugin, which may end without a word: killed, or by a pipe that nobody reads any more. */

const POLL_MILLISECONDS = 2000;

/** Ends this process when the one that started it has ended; a plugin that nobody can talk to would stay for ever. */
export function endWithParent(): void {
  // The one that started our shell script: when this runs it may be dead already, and our parent somebody else.
  const parent = Number(process.env["HOMESPAN_ENGINE"] ?? process.ppid);
  // It is nobody else's.
  Reflect.deleteProperty(process.env, "HOMESPAN_ENGINE");
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, POLL_MILLISECONDS).unref();
}
