import { describe, expect, it } from "vitest";
import { mirrorIn } from "../../toolchain/images-base.ts";
import { parseImages } from "../../toolchain/images-podman.ts";

describe("mirrorIn", () => {
  it.each([
    ["one line", "deb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"],
    ["options", "deb [arch=amd64 signed-by=/k.gpg] https://m.example/d bookworm main", "https://m.example/d"],
    [
      "another suite first",
      "deb http://a.example/ bullseye main\ndeb http://b.example/ bookworm main",
      "http://b.example/",
    ],
    [
      "deb822",
      "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm bookworm-updates\n",
      "http://m.example/debian",
    ],
    [
      "the second stanza",
      "Types: deb\nURIs: http://s.example\nSuites: bookworm-security\n\nTypes: deb deb-src\nURIs: http://m.example\nSuites: bookworm",
      "http://m.example",
    ],
  ])("finds the mirror: %s", (_name, text, mirror) => {
    expect(mirrorIn(text, "bookworm")).toBe(mirror);
  });

  it.each([
    ["an Ubuntu machine", "deb http://archive.ubuntu.com/ubuntu noble main universe\n"],
    ["a comment", "# deb http://mirror.example/debian bookworm main\n"],
    ["sources only", "Types: deb-src\nURIs: http://m.example\nSuites: bookworm\n"],
    ["a disabled stanza", "Enabled: no\nTypes: deb\nURIs: http://m.example\nSuites: bookworm\n"],
    ["a disc", "deb cdrom:[Debian]/ bookworm main\n"],
    ["nothing", ""],
  ])("finds none: %s", (_name, text) => {
    expect(mirrorIn(text, "bookworm")).toBeUndefined();
  });
});

describe("parseImages", () => {
  it("reads names, ids, digests and the recipe label, and skips images that have lost their name", () => {
    const stored = parseImages(
      JSON.stringify([
        { Id: "a", Size: 1, Labels: { "homespan.recipe": "r" }, Names: ["x:1", "y:1"] },
        {
          ...{ Id: "b", Size: 2, Labels: null, Names: ["z:1"] },
          ...{ Digest: "sha256:own", RepoDigests: ["z@sha256:list", "z@sha256:own"] },
        },
        { Id: "c", Size: 3, Names: null },
      ]),
    );
    expect([...stored]).toEqual([
      ["x:1", { id: "a", size: 1, digests: [], recipe: "r" }],
      ["y:1", { id: "a", size: 1, digests: [], recipe: "r" }],
      ["z:1", { id: "b", size: 2, digests: ["sha256:own", "sha256:list"] }],
    ]);
  });

  it("takes no output for no images", () => {
    expect(parseImages("").size).toBe(0);
  });
});
