import { expect, test } from "vitest";
import { renderStewardFiles } from "../../components/render/steward-files.ts";
import { restricted, steward } from "./samples.ts";

test("golden", async () => {
  const files = renderStewardFiles(steward);
  expect(Object.keys(files).sort()).toEqual([
    "steward/children/bootstrapper.args",
    "steward/children/k3s.args",
    "steward/children/tailscale.args",
    "steward/node.conf",
  ]);
  for (const [path, text] of Object.entries(files)) {
    await expect(text).toMatchFileSnapshot(`golden/steward/${path.replace(/^.*\//, "")}`);
  }
});

test("one argument per line, options first, no empty line", () => {
  for (const [path, text] of Object.entries(renderStewardFiles(steward))) {
    if (path.endsWith(".args")) {
      const lines = text.split("\n");
      expect(lines.pop()).toBe("");
      const image = lines.findIndex((line) => !line.startsWith("--"));
      // The bootstrapper is the steward's own program, the others are upstream's.
      const own = path.includes("bootstrapper");
      expect(lines[image]).toMatch(own ? /^localhost\/homespan\/steward:/ : /^docker\.io\//);
      expect(lines.slice(image + 1)).toEqual(own ? ["agent-1"] : []);
    }
  }
});

test("only k3s is privileged", () => {
  const files = renderStewardFiles(steward);
  const privileged = Object.keys(files).filter((path) => files[path]?.includes("--privileged"));
  expect(privileged).toEqual(["steward/children/k3s.args"]);
});

test("a restricted machine sets the limits of every child", () => {
  const files = renderStewardFiles({ ...steward, restrictions: restricted });
  for (const path of Object.keys(files).filter((it) => it.endsWith(".args"))) {
    expect(files[path]).toContain("\n--ulimit=nofile=20000:20000\n--ulimit=nproc=1000:1000\n");
  }
});

test("without an own CA and without image archives nothing points at them", () => {
  const files = renderStewardFiles({ ...steward, ownAuthority: false, imagesDirectory: undefined });
  expect(files).not.toHaveProperty("boot/ca.pem");
  expect(Object.values(files).join("")).not.toMatch(/SSL_CERT_FILE|agent\/images/);
});
