import js from "@eslint/js";
import boundaries from "eslint-plugin-boundaries";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** Which part of the project may import which other: those not named beside a part are forbidden to it. */
const mayImport = {
  upstream: [],
  render: ["upstream"],
  schema: [],
  provider: ["schema", "render", "upstream"],
  shared: ["schema", "render", "upstream"],
  component: ["shared", "schema", "render", "upstream"],
  stacks: ["component", "shared", "schema", "render", "upstream"],
  toolchain: ["render", "upstream"],
  cli: ["toolchain", "render"],
  rehearsal: ["cli", "toolchain", "provider", "schema", "render", "upstream"],
  bench: ["cli", "toolchain", "render"],
  test: [
    ...["upstream", "render", "schema", "provider", "shared", "component", "stacks"],
    ...["toolchain", "cli", "rehearsal", "bench"],
  ],
};

/** Single files that parts may import beside the above: [file, importing parts]. */
const sharedFiles = {
  duration: ["stacks/duration.ts", ["cli"]],
  fetch: ["toolchain/fetch.ts", ["provider"]],
  folders: ["toolchain/folders.ts", ["provider", "stacks"]],
  grammar: ["stacks/grammar.ts", ["cli"]],
  machine: ["toolchain/machine.ts", ["provider", "stacks"]],
  "machine-types": ["toolchain/types.ts", ["stacks"]],
  "steward-revision": ["toolchain/steward-revision.ts", ["stacks"]],
  rehearsal: ["rehearsal/rehearsal.ts", ["cli"]],
  libvirt: ["provider/effects/libvirt.ts", ["cli"]],
  process: ["provider/effects/process.ts", ["cli"]],
  "tailscale-api": ["provider/effects/tailscale-api.ts", ["cli"]],
  wait: ["provider/effects/wait.ts", ["cli"]],
  "rehearsed-faults": ["rehearsal/faults.ts", ["cli"]],
  // A program asks before it makes anything; a resource would be asked beside others that are made already.
  "headscale-inspection": ["provider/effects/headscale-inspection.ts", ["stacks"]],
};

const parts = [
  ["upstream", "components/upstream/**"],
  ["render", "components/render/**"],
  ["shared", "components/shared/**"],
  // What none of the above fits; the first pattern that fits decides.
  ["component", "components/**"],
  ["schema", "provider/schema/**"],
  ["provider", "provider/**"],
  ...["stacks", "toolchain", "cli", "rehearsal", "bench", "test"].map((part) => [part, `${part}/**`]),
];

export default defineConfig(
  globalIgnores(["node_modules/", "sdks/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      // A name that starts with _ says that it is there to leave something out.
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", ignoreRestSiblings: true },
      ],
      // `${count} nodes` reads better than `${String(count)} nodes`, and both say the same.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["**/*.ts"],
    plugins: { boundaries },
    settings: {
      "import/resolver": { node: { extensions: [".ts", ".js"] } },
      "boundaries/elements": parts.map(([type, pattern]) => ({ type, pattern, partialMatch: false })),
      "boundaries/files": Object.entries(sharedFiles).map(([category, [pattern]]) => ({ category, pattern })),
    },
    rules: {
      "boundaries/dependencies": [
        "error",
        {
          default: "disallow",
          policies: [
            ...Object.entries(mayImport).map(([from, to]) => ({
              from: { element: { type: from } },
              allow: { to: { element: { types: { anyOf: [from, ...to] } } } },
            })),
            ...Object.entries(sharedFiles).flatMap(([category, [, importers]]) =>
              importers.map((from) => ({
                from: { element: { type: from } },
                allow: { to: { file: { categories: category } } },
              })),
            ),
          ],
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // A fixture or a fake may be longer than what it tests.
      "max-lines": "off",
      // Fakes keep the signature of what they stand in for.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
);
