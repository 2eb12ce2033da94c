/** What is shown of a build while Go works, and what is left of it in an error. */
import { expect, test } from "vitest";
import { doing, explainGoFailure } from "../../toolchain/modules.ts";

test("the last module that is downloaded, or the last package that is compiled", () => {
  expect(doing("go: downloading cel.dev/expr v0.24.0\n")).toBe("downloading cel.dev/expr");
  expect(doing("go: downloading cel.dev/expr v0.24.0\nk8s.io/api/core/v1\n")).toBe(
    "compiling k8s.io/api/core/v1",
  );
  expect(doing("internal/abi\nruntime\n")).toBe("compiling runtime");
  expect(doing("# k8s.io/api\n./x.go:1:2: undefined: y\n")).toBeUndefined();
});

test("an error is told without the packages that were compiled before it", () => {
  const said =
    "go: downloading a.b/c v1\nk8s.io/api/core/v1\n# k8s.io/client-go\n./x.go:1:2: undefined: y\nruntime\n";
  expect(explainGoFailure(said, ["build"], "/log", undefined)).toBe(
    "go build failed: # k8s.io/client-go; ./x.go:1:2: undefined: y (everything it said: /log)",
  );
});
