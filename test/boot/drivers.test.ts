import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { project } from "./machine.ts";

const text = (path: string): string => readFileSync(join(project, path), "utf8");

test.each(["boot/driver-systemd.sh", "images/steward/driver-podman.sh"])(
  "%s provides everything the boot sequence asks of a driver",
  (driver) => {
    const sequence = text("boot/sequence.sh");
    const listed = [...sequence.matchAll(/^# {3}(driver_\w+) /gm)].map(([, name]) => name);
    const called = [...sequence.matchAll(/\b(driver_[a-z_0-9]+)\b/g)].map(([, name]) => name);
    const provided = [...text(driver).matchAll(/^(driver_\w+)\(\) \{$/gm)].map(([, name]) => name);
    expect(new Set(called)).toEqual(new Set(listed));
    expect(listed.filter((name) => !provided.includes(name))).toEqual([]);
  },
);
