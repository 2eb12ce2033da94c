/** In which rehearsal a stack is: its own, or that of the stack it joins, for as long as it is in it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { placeOf } from "../../cli/rehearsal-place.ts";
import { rehearse } from "../../cli/verbs/rehearse.ts";
import { bed, failure } from "./verb-support.ts";

const stackOf = (name: string) => ({ name, topology: "lightsail" });
const joins = ["join=organization/homespan/lightsail"];

test("a stack is in its own, or in that of the stack it joins", async () => {
  const { context } = bed();
  const all = join(context.paths.state, "rehearsal");
  const own = await placeOf(context, stackOf("lightsail"), "up", []);
  expect([own.rehearsal.folder, own.rehearsal.world, own.joins]).toEqual([
    join(all, "lightsail"),
    "rehearsal-lightsail",
    undefined,
  ]);
  const joined = await placeOf(context, stackOf("homelab"), "up", joins);
  expect([joined.rehearsal.folder, joined.rehearsal.world, joined.joins]).toEqual([
    join(all, "lightsail"),
    "rehearsal-lightsail",
    "lightsail",
  ]);
});

test("it stays in it whatever later settings say, and that one is destroyed after it", async () => {
  const { context } = bed();
  const folder = join(context.paths.state, "rehearsal", "lightsail");
  mkdirSync(join(folder, "joined"), { recursive: true });
  writeFileSync(join(folder, "joined", "homelab"), "");
  expect(await placeOf(context, stackOf("homelab"), "destroy", [])).toMatchObject({ joins: "lightsail" });
  const options = { settings: [], timeoutMinutes: 1 };
  const { message } = await failure(rehearse(context, stackOf("lightsail"), "destroy", options));
  expect(message).toBe(
    "rehearse lightsail destroy must come after the stacks that join its cluster, got homelab; run: ./homespan rehearse homelab destroy",
  );
});

test("one that was brought up as a cluster of its own is found as that, and joins nothing meanwhile", async () => {
  const { context } = bed();
  const folder = join(context.paths.state, "rehearsal", "homelab");
  mkdirSync(folder, { recursive: true });
  for (const verb of ["status", "destroy", "fault"]) {
    const { rehearsal, joins: other } = await placeOf(context, stackOf("homelab"), verb, joins);
    expect([rehearsal.folder, other]).toEqual([folder, undefined]);
  }
  expect(await failure(placeOf(context, stackOf("homelab"), "up", joins))).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/must not `join` while it is rehearsed as a cluster of its own/) as string,
  });
  expect((await placeOf(context, stackOf("homelab"), "up", [])).rehearsal.folder).toBe(folder);
});

test("in a rehearsal's environment both stacks of it are found, and what changes them is refused", async () => {
  const { context, environment } = bed();
  const folder = join(context.paths.state, "rehearsal", "lightsail");
  mkdirSync(join(folder, "joined"), { recursive: true });
  writeFileSync(join(folder, "joined", "homelab"), "");
  const inside = { ...context, environment: { ...environment, HOMESPAN_REHEARSAL: folder } };
  for (const name of ["lightsail", "homelab"]) {
    expect((await placeOf(inside, stackOf(name), "status", [])).rehearsal.folder).toBe(folder);
    await expect(placeOf(inside, stackOf(name), "up", [])).rejects.toThrow(
      /must be run outside of the rehearsal's environment/,
    );
  }
});
