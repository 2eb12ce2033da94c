import { describe, expect, test } from "vitest";
import { InputError } from "../../cli/errors.ts";
import { applySettings, describeDifferences, parseStackFile } from "../../cli/settings.ts";

const apply = (...settings: string[]): unknown =>
  applySettings({ config: { "homespan:agents": 2 } }, settings).config;

describe("--set", () => {
  test.each([
    ["agents=3", { "homespan:agents": 3 }],
    ["agents=", { "homespan:agents": "" }],
    ["agents=null", {}],
    ["other=null", { "homespan:agents": 2 }],
    ["disable=[traefik, servicelb]", { "homespan:agents": 2, "homespan:disable": ["traefik", "servicelb"] }],
    ["kubernetes:context=a=b", { "homespan:agents": 2, "kubernetes:context": "a=b" }],
    [
      'nodes.agent-1.labels["example.com/rack"]=a',
      { "homespan:agents": 2, "homespan:nodes": { "agent-1": { labels: { "example.com/rack": "a" } } } },
    ],
  ])("%s", (setting, expected) => {
    expect(apply(setting)).toEqual(expected);
  });

  test("later ones reach into what earlier ones made", () => {
    expect(apply("disable=[a, b]", "disable[1]=c", "disable[2]=d")).toMatchObject({
      "homespan:disable": ["a", "c", "d"],
    });
    expect(apply("nodes.a.labels.x=1", "nodes.a.labels.y=2")).toMatchObject({
      "homespan:nodes": { a: { labels: { x: 1, y: 2 } } },
    });
  });

  test.each(["agents", "=3", 'a["b=1', "disable[7]=x"])("refuses %s", (setting) => {
    expect(() => applySettings({ config: { "homespan:disable": ["a"] } }, [setting])).toThrow(InputError);
  });
});

test("a stack file that is no mapping is bad input", () => {
  expect(() => parseStackFile("- a", "Pulumi.ci.yaml")).toThrow(/^Pulumi\.ci\.yaml must hold a mapping/);
  expect(() => parseStackFile("config: [a", "Pulumi.ci.yaml")).toThrow(InputError);
  expect(parseStackFile("", "Pulumi.ci.yaml")).toEqual({ config: {} });
});

test("differences name both values", () => {
  const before = { config: { "homespan:agents": 2, "x:y": 1 } };
  expect(
    describeDifferences(before, { config: { "homespan:agents": 3, "x:y": 1, "homespan:a": [1] } }),
  ).toEqual(["a: (default) -> [1]", "agents: 2 -> 3"]);
});
