import { execa } from "execa";
import fc from "fast-check";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderUserData, userDataLimitBytes, type UserData } from "../../components/render/user-data.ts";
import { cloudServer, largest } from "./samples-machine.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "user-data-"));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

function withCa(caCertificate: string): UserData {
  return { ...cloudServer, node: { ...cloudServer.node!, caCertificate } };
}

test("golden", async () => {
  await expect(renderUserData(cloudServer)).toMatchFileSnapshot("golden/machine/user-data.sh");
});

test("is the same whenever it is rendered, and in whatever order its parts are given", () => {
  const { sources, node, ...rest } = cloudServer;
  const turned = Object.fromEntries(Object.entries(sources).reverse());
  expect(renderUserData({ node: node!, ...rest, sources: turned })).toBe(renderUserData(cloudServer));
});

test("is a script of plain sh, read by dash and clean for shellcheck", async ({ skip }) => {
  const texts = [cloudServer, largest].map(renderUserData);
  for (const input of texts) {
    expect(input.startsWith("#!/bin/sh\n")).toBe(true);
    // Lightsail puts lines of its own in front: nothing may depend on being the first.
    await execa("dash", ["-n"], { input: `#!/bin/sh\necho lightsail\n${input}` });
  }
  const found = await execa("shellcheck", ["--version"], { reject: false });
  skip(found.exitCode !== 0, "shellcheck is not installed");
  await execa("shellcheck", ["-s", "sh", "-"], { input: texts[1] ?? "" });
});

test("stays below the limit with room for a cloud's own lines, and says so when it does not", () => {
  expect(Buffer.byteLength(renderUserData(largest))).toBeLessThan(userDataLimitBytes - 1024);
  expect(() => renderUserData(withCa("x\n".repeat(8000)))).toThrow(
    /`userData` must be at most 16384 bytes, got 2\d{4}/,
  );
});

test("holds one secret at most, in a file only root reads, and nothing of k3s", () => {
  const text = renderUserData(cloudServer);
  const { authKey } = cloudServer.node!;
  expect(text.split(authKey!)).toHaveLength(2);
  expect(text).toContain(`put 0600 /etc/homespan/seed/authkey <<'END'\n${authKey!}\nEND\n`);
  expect(text).not.toMatch(/config\.yaml|token|cluster-init/);
  const { authKey: _, ...node } = cloudServer.node!;
  expect(renderUserData({ ...cloudServer, node })).not.toContain("authkey");
  const { node: __, ...alone } = cloudServer;
  expect(renderUserData(alone)).not.toContain("seed");
});

test("nothing happens before the last line", () => {
  const text = renderUserData(cloudServer);
  const commands = text
    // Contents of files aside.
    .replace(/<<'(END_*)'\n[^]*?\n\1\n/g, "\n")
    .split("\n")
    .filter((line) => /^[^\s#}]/.test(line) && !/^\w+\(\) \{$/.test(line));
  expect(commands).toEqual(["set -eu", "umask 022", "root=${HOMESPAN_ROOT:-}", "main"]);
});

describe("what is no text is refused", () => {
  test.each(["one\0two\n", "one\r\n", "no end of line", "\u001b[2J\n"])("%j", (caCertificate) => {
    expect(() => renderUserData(withCa(caCertificate))).toThrow(
      "`/etc/homespan/seed/ca.pem` must be lines of text",
    );
  });

  test.each(["", "two words", "a\nb", "kéy"])("%j as a key, without repeating it", (authKey) => {
    const userData = { ...cloudServer, node: { ...cloudServer.node!, authKey } };
    expect(() => renderUserData(userData)).toThrow(/^`authKey` must be one word of ASCII characters$/);
  });

  test("a name of two lines", () => {
    const userData = { ...cloudServer, node: { ...cloudServer.node!, nodeName: "a\nEND\nreboot" } };
    expect(() => renderUserData(userData)).toThrow(/`NODE` must be one line/);
  });

  test("a source that is missing", () => {
    expect(() => renderUserData({ ...cloudServer, sources: {} })).toThrow(
      /`sources` must hold boot\/machine\/user-data/,
    );
  });
});

/** Pieces that end a quotation somewhere, or run something. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      "END",
      "END_",
      "'",
      '"',
      "\\",
      "`touch broken`",
      "$(touch broken)",
      "<<'END'",
      "$$",
      "$&",
      "EOF",
      "}",
    ],
    ...["\n", "\nEND\n", "\nEND_\n", "\n}\nmain\ntouch broken\n", "# @FILES@", " "],
  ),
  fc.string().filter((text) => !/\p{Cc}/u.test(text)),
);
const line = fc
  .array(
    piece.filter((text) => !text.includes("\n")),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(""));
const lines = fc.array(piece, { maxLength: 40 }).map((pieces) => `${pieces.join("")}\n`);

/** Runs what lays the files down, and nothing else, and gives a file back. */
async function laidDown(userData: UserData, paths: readonly string[]): Promise<string[]> {
  const text = renderUserData(userData).replace(/\nmain\n$/, "\nlay_down\n");
  await execa("dash", { input: text, cwd: root, env: { HOMESPAN_ROOT: root } });
  return paths.map((path) => readFileSync(join(root, path), "utf8"));
}

test("files arrive byte for byte, whatever names and certificates hold", async () => {
  await fc.assert(
    fc.asyncProperty(line, line, lines, async (nodeName, loginServer, caCertificate) => {
      const node = { nodeName, tailnetHostName: "x", loginServer, caCertificate };
      const found = await laidDown({ ...cloudServer, node }, [
        "etc/homespan/seed/ca.pem",
        "etc/homespan/seed/node.conf",
        "usr/lib/homespan/scripts/receive",
      ]);
      expect(found).toEqual([
        caCertificate,
        `NODE=${nodeName}\nTAILNET_HOSTNAME=x\nLOGIN_SERVER=${loginServer}\n`,
        cloudServer.sources["images/steward/scripts/receive"],
      ]);
      expect(() => readFileSync(join(root, "broken"))).toThrow();
    }),
    { numRuns: 8 },
  );
});
