/**
 * `node:http` without its ES module. To make that, Node reads every property of it, and behind one of them is the whole of
 * undici: a fifth of the time in which this provider starts (`lazyUndici` in Node's lib/http.js).
 */
export const { Agent, request } = process.getBuiltinModule("node:http");
