import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderArtifacts } from "../../components/render/machine-files.ts";
import { k3sDownloads, tailscaleDownloads } from "../../components/upstream/artifacts.ts";
import { machineArtifacts, readMirror } from "../../stacks/artifacts.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-artifacts-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const sum = "a".repeat(64);
const download = { urls: ["https://mirror.example.com/k3s"], sha256: sum };
const written = (content: string): string => {
  const file = join(folder, "artifacts.json");
  writeFileSync(file, content);
  return file;
};
const told = (mirror: unknown): string[] => {
  try {
    readMirror(written(JSON.stringify(mirror)));
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.RunError);
    return (error as Error).message.split("\n").slice(1);
  }
};

test.each([[undefined], [""]])("%j is no mirror", (file) => {
  expect(readMirror(file)).toBeUndefined();
});

test("a mirror may have any part of it", () => {
  expect(readMirror(written(JSON.stringify({ k3s: { arm64: download } })))).toEqual({
    k3s: { arm64: download },
  });
  expect(told({ flatcar: { fingerprint: "F".repeat(40) } })).toEqual([]);
  expect(told({})).toEqual([]);
});

describe("all that is wrong is told at once, in the grammar", () => {
  test.each([
    [
      { k3S: {} },
      ['`artifacts.k3S` must be one of the keys k3s, tailscale, flatcar, got "k3S"; did you mean "k3s"?'],
    ],
    [[], ["`artifacts` must be a mapping with k3s, tailscale or flatcar, got []"]],
    [
      { flatcar: { fingerprint: "F8" } },
      [
        '`artifacts.flatcar.fingerprint` must be an OpenPGP key\'s fingerprint: 40 upper-case hexadecimal digits, got "F8"',
      ],
    ],
    [
      { flatcar: { fingerprints: "F8" } },
      [
        "`artifacts.flatcar.fingerprint` must be an OpenPGP key's fingerprint: 40 upper-case hexadecimal digits",
        '`artifacts.flatcar.fingerprints` must be one of the keys fingerprint, got "fingerprints"; did you mean "fingerprint"?',
      ],
    ],
    [
      { k3s: { amd64: { ...download, sha256: "A" } }, tailscale: { amd46: download } },
      [
        '`artifacts.k3s.amd64.sha256` must be 64 lower-case hexadecimal digits, got "A"',
        '`artifacts.tailscale.amd46` must be one of the keys amd64, arm64, got "amd46"; did you mean "amd64"?',
      ],
    ],
    [
      { k3s: { amd64: { urls: ["ftp://x", "https://a b"], sha256: sum } } },
      [
        '`artifacts.k3s.amd64.urls[0]` must be an http:// or https:// URL without spaces, got "ftp://x"',
        '`artifacts.k3s.amd64.urls[1]` must be an http:// or https:// URL without spaces, got "https://a b"',
      ],
    ],
    [
      { k3s: { amd64: { urls: [], sha256: sum } } },
      ["`artifacts.k3s.amd64.urls` must be a list of at least one URL, got []"],
    ],
    [
      { k3s: { amd64: { urls: download.urls } } },
      ["`artifacts.k3s.amd64.sha256` must be 64 lower-case hexadecimal digits"],
    ],
  ])("%j", (mirror, lines) => {
    expect(told(mirror)).toEqual(lines.map((line) => `  - ${line}`));
  });

  test("a file that is none, or no JSON", () => {
    expect(() => readMirror(join(folder, "missing.json"))).toThrow(
      "`HOMESPAN_ARTIFACTS` must name a JSON file",
    );
    expect(() => readMirror(written("{"))).toThrow("`HOMESPAN_ARTIFACTS` must name a JSON file");
  });
});

test("every release that the configuration takes can be downloaded, and its sum is one", () => {
  for (const release of Object.keys(k3sDownloads)) {
    const text = renderArtifacts(machineArtifacts(release, undefined));
    expect(text).toContain(`/${encodeURIComponent(release)}/k3s\n`);
    expect(text).toMatch(/^K3S_AMD64_SHA256=[0-9a-f]{64}$/m);
    expect(text).toMatch(/^TAILSCALE_AMD64_SHA256=[0-9a-f]{64}$/m);
    expect(text).toContain("TAILSCALE_FILES=tailscale tailscaled\n");
  }
});

test("what a mirror has takes the official place, program by program", () => {
  const [k3s, tailscale] = machineArtifacts("v1.35.1+k3s1", { k3s: { amd64: download, arm64: undefined } });
  expect(k3s?.downloads).toEqual({ amd64: download });
  expect(tailscale?.downloads).toBe(tailscaleDownloads);
});
