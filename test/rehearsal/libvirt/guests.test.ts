/** What somebody does by hand to a virtual machine on libvirt, in virsh's words. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { macAddress } from "../../../components/render/mac-address.ts";
import { InputError } from "../../../cli/errors.ts";
import { RehearsedFaults } from "../../../rehearsal/faults.ts";
import { writeBook } from "../../../rehearsal/libvirt/book.ts";
import { LibvirtGuests } from "../../../rehearsal/libvirt/guests.ts";
import { MachineFaults } from "../../../rehearsal/machines/machine-faults.ts";
import { done, failed } from "../../provider/fake-podman.ts";
import { FakeWorld } from "../machines/fake-world.ts";

const name = "lightsail-vm-1";
const mac = macAddress(name);
let world: FakeWorld;
let faults: RehearsedFaults;
let said: string[];
let state: string | undefined;
let link: string;

beforeEach(async () => {
  world = new FakeWorld();
  await world.make();
  const image = { store: "/s", version: "1", sha256: "0", fingerprint: "F" };
  const machines = { [name]: { node: "vm-1", number: 253 } };
  await writeBook(world.folder, { type: "qemu", pools: ["default"], image, machines });
  [said, state, link] = [[], "running", "up"];
  const guests = new LibvirtGuests(world.folder, async (_program, args) => {
    const words = args.slice(args.indexOf("--connect") + 2).join(" ");
    if (!words.startsWith("domstate") && !words.startsWith("domif-getlink")) said.push(words);
    if (words.startsWith("domif-getlink")) return done(`${mac} ${link}\n`);
    return state === undefined ? failed("error: failed to get domain") : done(`${state}\n`);
  });
  faults = new RehearsedFaults(world.folder, new MachineFaults(world.folder, world.effects), guests);
});
afterEach(() => {
  world.remove();
});

test.each([
  ["stop", [`destroy ${name} --graceful`]],
  ["kill", [`destroy ${name}`]],
  ["start", [`start ${name}`]],
  ["restart", [`reset ${name}`]],
  ["cut", [`domif-setlink ${name} ${mac} down`]],
  ["mend", [`domif-setlink ${name} ${mac} up`]],
  ["delete", [`destroy ${name}`, `undefine ${name}`]],
] as const)("%s is what virsh does to the node's machine", async (fault, words) => {
  expect(await faults.strike(fault, "vm-1")).toBe("libvirt");
  expect(said).toEqual(words);
});

test("one that is off is deleted as it is", async () => {
  state = "shut off";
  await faults.strike("delete", "vm-1");
  expect(said).toEqual([`undefine ${name}`]);
});

test("its state is told beside the others'", async () => {
  const told = async () => (await faults.report()).machines;
  expect(await told()).toEqual([{ node: "vm-1", state: "running" }]);
  link = "down";
  expect(await told()).toEqual([{ node: "vm-1", state: "cut off" }]);
  state = "shut off";
  expect(await told()).toEqual([{ node: "vm-1", state: "stopped" }]);
  state = undefined;
  expect(await told()).toEqual([{ node: "vm-1", state: "gone" }]);
});

test("another name is refused with those there are", async () => {
  const refused = faults.strike("stop", "vm-2");
  await expect(refused).rejects.toThrow(InputError);
  await expect(refused).rejects.toThrow('[node] must be one of vm-1, got "vm-2"; did you mean "vm-1"?');
});
