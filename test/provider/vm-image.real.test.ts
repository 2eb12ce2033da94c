/** VmImage: an image is used with the right sum and the right signature alone. */
import { execa } from "execa";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { unarmoured } from "../../provider/effects/vm-images.ts";
import { Harness } from "./harness.ts";

const image = Buffer.from("an image of a system, which is usually larger\n");
const sha256 = createHash("sha256").update(image).digest("hex");

let folder: string;
let server: Server;
let base: string;
const files = new Map<string, Buffer>();
const asked: string[] = [];
let fingerprint = "";
let h: Harness;

async function gpg(...args: string[]): Promise<string> {
  return (await execa("gpg", ["--homedir", folder, "--batch", "--yes", ...args])).stdout;
}

async function makeKey(name: string): Promise<string> {
  await gpg("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never");
  const listed = await gpg("--with-colons", "--list-keys", name);
  return /^fpr:{9}([0-9A-F]{40}):/m.exec(listed)?.[1] ?? "";
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vm-image-"));
  writeFileSync(join(folder, "image"), image);
  writeFileSync(join(folder, "other"), "another image\n");
  fingerprint = await makeKey("builder@example.org");
  await makeKey("stranger@example.org");
  const sign = async (user: string, file: string, to: string, ...more: string[]): Promise<void> => {
    await gpg(
      "--local-user",
      user,
      ...more,
      "--output",
      join(folder, to),
      "--detach-sign",
      join(folder, file),
    );
    files.set(`/${to}`, readFileSync(join(folder, to)));
  };
  await sign("builder@example.org", "image", "image.sig");
  await sign("builder@example.org", "image", "image.asc", "--armor");
  await sign("builder@example.org", "other", "other.sig");
  await sign("stranger@example.org", "image", "stranger.sig");
  files.set("/key.asc", Buffer.from(await gpg("--armor", "--export")));
  files.set("/image", image);
  files.set("/other", Buffer.from("another image\n"));
  files.set("/empty", Buffer.alloc(0));
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const content = files.get(request.url ?? "");
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  asked.length = 0;
  rmSync(join(folder, "images"), { recursive: true, force: true });
  h = new Harness();
  h.imageFolder = join(folder, "images");
  await h.start();
  return () => {
    h.stop();
  };
});

const inputs = (change: Record<string, unknown> = {}) => ({
  urls: [`${base}/image`],
  sha256,
  signatureUrls: [`${base}/image.sig`],
  signingKeyUrls: [`${base}/key.asc`],
  fingerprint,
  ...change,
});
const kept = (): string[] => {
  try {
    return readdirSync(join(folder, "images"));
  } catch {
    return [];
  }
};

describe("VmImage", () => {
  it("is the file with the right sum and signature, downloaded once", async () => {
    const { id, state } = await h.create("VmImage", inputs());
    expect(id).toBe(sha256);
    expect(readFileSync(state["path"] as string)).toEqual(image);
    expect(state).toMatchObject({ bytes: image.length, present: true });
    expect(await h.read("VmImage", state)).toEqual(state);
    expect(asked.filter((path) => path === "/image")).toHaveLength(1);
    await h.create("VmImage", inputs({ signatureUrls: [`${base}/image.asc`] }));
    expect(asked.filter((path) => path === "/image")).toHaveLength(1);
    await h.delete("VmImage", state);
    expect(kept()).toEqual([]);
  });

  it("is downloaded again when the file is gone, and another image is another one", async () => {
    const { state } = await h.create("VmImage", inputs());
    rmSync(state["path"] as string);
    const found = await h.read("VmImage", state);
    expect(found).toMatchObject({ present: false });
    expect(await h.diff("VmImage", found!, inputs())).toEqual({ present: "update" });
    expect(await h.update("VmImage", found!, inputs())).toMatchObject({ present: true });
    expect(kept()).toEqual([`${sha256}.img`]);
    expect(await h.diff("VmImage", state, inputs({ sha256: "0".repeat(64) }))).toEqual({ sha256: "replace" });
    expect(await h.diff("VmImage", state, inputs({ urls: ["http://elsewhere/image"] }))).toEqual({});
  });

  it("comes from the next place when one does not have it, or has something else", async () => {
    const urls = [`${base}/missing`, `${base}/other`, `${base}/image`];
    await h.create("VmImage", inputs({ urls }));
    expect(kept()).toEqual([`${sha256}.img`]);
  });

  it.each([
    [
      "another sum",
      { urls: "/other" },
      /`sha256` must be that of \S+\/other, got [0-9a-f]{64} for [0-9a-f]{64}/,
    ],
    [
      "no signature",
      { signatureUrls: "/missing" },
      /`signatureUrls` must give what is wanted, got: .*HTTP 404/,
    ],
    ["an empty signature", { signatureUrls: "/empty" }, /\/empty is empty/],
    [
      "what is no signature",
      { signatureUrls: "/image" },
      /the image must have a signature of [0-9A-F]{40}, got/,
    ],
    ["the signature of another image", { signatureUrls: "/other.sig" }, /must have a signature of/],
    [
      "the signature of somebody else",
      { signatureUrls: "/stranger.sig" },
      /must have a signature of [0-9A-F]{40}, got one of [0-9A-F]{40}/,
    ],
    ["a key that is none", { signingKeyUrls: "/image" }, /must have a signature of/],
  ])("is refused with %s, and nothing of it stays", async (_name, change, problem) => {
    const changed = Object.fromEntries(
      Object.entries(change).map(([key, path]) => [key, [`${base}${path}`]]),
    );
    await expect(h.create("VmImage", inputs(changed))).rejects.toThrow(problem);
    expect(kept()).toEqual([]);
  });
});

it("armour is taken off, and what has none stays as it is", async () => {
  const binary = files.get("/image.sig")!;
  expect(unarmoured(binary)).toEqual(binary);
  const { stdout } = await execa("gpg", ["--dearmor"], {
    input: files.get("/image.asc")!,
    encoding: "buffer",
    // A signature may end with the byte of a newline.
    stripFinalNewline: false,
  });
  expect(unarmoured(files.get("/image.asc")!)).toEqual(Buffer.from(stdout));
});
