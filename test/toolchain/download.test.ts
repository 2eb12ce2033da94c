import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DownloadError, download, parseSums } from "../../toolchain/download.ts";
import { temporaryFolder } from "./support/folders.ts";
import { startReleaseServer } from "./support/server.ts";
import type { ReleaseServer } from "./support/server.ts";

const content = Buffer.alloc(300_000, "homespan");
const quick = { answerSeconds: 0.3, stallSeconds: 0.2, stallBytes: 1000, attempts: 3 };

describe("download", () => {
  let server: ReleaseServer;
  let target: string;
  beforeEach(async () => {
    server = await startReleaseServer(content);
    target = join(temporaryFolder(), "file");
  });
  afterEach(() => server.close());

  const fetchIt = (): Promise<void> => download(server.url, server.sums, target, quick);

  it("puts the verified file in place and leaves no part", async () => {
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(existsSync(`${target}.part`)).toBe(false);
  });

  it("reports progress up to the whole size", async () => {
    const seen: [number, number | undefined][] = [];
    await download(server.url, server.sums, target, {
      ...quick,
      onProgress: (received, total) => seen.push([received, total]),
    });
    expect(seen.at(-1)).toEqual([content.length, content.length]);
  });

  it("refuses a wrong checksum, says both, and keeps nothing", async () => {
    server.behaviour = { kind: "wrong-sum" };
    await expect(fetchIt()).rejects.toThrow(/must be 1{64} \(from .*sums\.txt\), got [0-9a-f]{64}/);
    expect(existsSync(target)).toBe(false);
    expect(existsSync(`${target}.part`)).toBe(false);
    expect(server.ranges).toEqual([""]);
  });

  it("refuses sums that do not list the file", async () => {
    server.behaviour = { kind: "no-sum" };
    await expect(fetchIt()).rejects.toThrow(/must list a checksum of tool-1\.0\.tar\.gz, got none/);
  });

  it("fails at once on a 404, with the URL", async () => {
    server.behaviour = { kind: "missing" };
    await expect(fetchIt()).rejects.toThrow(`${server.url} answered 404 Not Found`);
    expect(server.ranges).toHaveLength(1);
  });

  it("continues a broken connection where it broke off", async () => {
    server.behaviour = { kind: "cut", bytes: 100_000, times: 2 };
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(server.ranges).toEqual(["", "bytes=100000-", "bytes=200000-"]);
  });

  it("gives up on a file that stays truncated, and keeps what it has for the next run", async () => {
    server.behaviour = { kind: "cut", bytes: 50_000, times: 99 };
    await expect(fetchIt()).rejects.toThrow(/broke off/);
    expect(readFileSync(`${target}.part`)).toHaveLength(150_000);
    server.behaviour = { kind: "good" };
    await fetchIt();
    expect(server.ranges.at(-1)).toBe("bytes=150000-");
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  it("starts over when an earlier part is of another file", async () => {
    writeFileSync(`${target}.part`, "something else");
    await fetchIt();
    expect(server.ranges).toEqual(["bytes=14-", ""]);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  it("accepts a part that is complete already", async () => {
    writeFileSync(`${target}.part`, content);
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  it("is bounded when the server stalls", async () => {
    server.behaviour = { kind: "stalls" };
    await expect(download(server.url, server.sums, target, { ...quick, attempts: 1 })).rejects.toThrow(
      /must send at least 1000 bytes in 0\.2 s, got 10/,
    );
  });

  // One piece of the faster server is enough for a window; the slower one sends a seventh of what it needs.
  const slow = { ...quick, stallSeconds: 0.3, stallBytes: 20_000, attempts: 1 };

  it("is bounded when the server sends steadily, but too slowly", async () => {
    server.behaviour = { kind: "trickles", bytes: 500, everyMs: 50 };
    await expect(download(server.url, server.sums, target, slow)).rejects.toThrow(
      /must send at least 20000 bytes in 0\.3 s, got [1-9]\d{2,3}$/,
    );
    expect(existsSync(target)).toBe(false);
  });

  it("waits for a slow server as long as it sends enough", async () => {
    server.behaviour = { kind: "trickles", bytes: 20_000, everyMs: 50 };
    const began = Date.now();
    await download(server.url, server.sums, target, slow);
    expect(readFileSync(target).equals(content)).toBe(true);
    // Neither the time for an answer nor one window bounds the whole.
    expect(Date.now() - began).toBeGreaterThan(600);
    expect(server.ranges).toEqual([""]);
  });

  it("is bounded when the server never answers", async () => {
    server.behaviour = { kind: "silent" };
    await expect(download(server.url, server.sums, target, { ...quick, attempts: 1 })).rejects.toThrow(
      /must answer within 0\.3 s/,
    );
  });

  it("names the host that cannot be reached", async () => {
    await server.close();
    await expect(download(server.url, server.sums, target, { ...quick, attempts: 1 })).rejects.toThrow(
      /sums\.txt: .*ECONNREFUSED/,
    );
  });
});

describe("parseSums", () => {
  const hex = "ab".repeat(32);
  it.each([
    ["a list", `${hex}  tool.tgz\n${"0".repeat(64)}  other`],
    ["a binary-mode list", `${hex} *tool.tgz`],
    ["paths", `${hex}  ./dist/tool.tgz\n`],
    ["a bare digest", `${hex}\n`],
    ["upper case", `${hex.toUpperCase()}  tool.tgz`],
  ])("reads %s", (_name, text) => {
    expect(parseSums(text, "tool.tgz", "sums")).toBe(hex);
  });

  it("never takes the digest of another file", () => {
    expect(() => parseSums(`${hex}  other.tgz`, "tool.tgz", "sums")).toThrow(DownloadError);
  });
});
