/**
 * `node:http` without its ES module. To make that, Node reads every property of it, and behind one of them is the whole of
 * undici: a sixth of what this provider takes to load (`lazyUndici` in Node's lib/http.js).
 */
export const { Agent, request } = process.getBuiltinModule("node:http");
