/** What a node's virtual machine may be made of, judged by its definition as libvirt shows it (`virsh dumpxml`). */
import { type XmlElement, readXml } from "./xml.ts";

/** One element of `<devices>`. */
interface Device {
  /** Value of an attribute, or of a child's (`target@bus`); "" when there is none. */
  readonly of: (where: string) => string;
}

/**
 * Which devices a node has, by their kind, and which of a kind.
 *
 * Beside what the stylesheet lets through there are a few that belong to the board (q35) or stand for the absence of a
 * device, which libvirt writes down by itself.
 */
const allowed: Readonly<Record<string, (device: Device) => boolean>> = {
  emulator: () => true,
  disk: ({ of }) => of("device") === "disk" && of("target@bus") === "virtio",
  interface: ({ of }) =>
    ["network", "bridge", "direct"].includes(of("type")) && of("model@type") === "virtio",
  rng: ({ of }) => of("model") === "virtio",
  console: ({ of }) => of("target@type") === "virtio",
  controller: ({ of }) =>
    ["pci", "virtio-serial"].includes(of("type")) ||
    // Part of the board; no disk can be on it, as only virtio's may be there at all.
    (of("type") === "sata" && of("index") === "0") ||
    (of("type") === "usb" && of("model") === "none"),
  memballoon: ({ of }) => of("model") === "none",
  // The board's own keyboard controller: https://libvirt.org/formatdomain.html#hypervisor-features, `ps2`, since 10.7.
  input: ({ of }) => of("bus") === "ps2",
  audio: ({ of }) => of("type") === "none",
  video: ({ of }) => of("model@type") === "none",
  // The board's watchdog, which libvirt shows since 9.1.
  watchdog: ({ of }) => of("model") === "itco",
};

/** Exactly so many of a kind there must be. */
const counted: Readonly<Record<string, number>> = { console: 1, memballoon: 1 };

/**
 * Everything about a virtual machine that a node's may not have, one line each; none for one that is as it must be.
 *
 * @throws RangeError for what is no definition of a virtual machine
 */
export function domainObjections(xml: string): string[] {
  const domain = parse(xml);
  const devices = children(domain, "devices").flatMap((it) => children(it));
  return [
    ...devices.flatMap((device) => (isAllowed(device) ? [] : [`${describe(device)} is not allowed`])),
    ...Object.entries(counted).flatMap(([kind, wanted]) => {
      const found = devices.filter(({ name }) => name === kind).length;
      return found === wanted ? [] : [`there must be exactly ${wanted} ${kind}, got ${found}`];
    }),
    ...children(domain, "commandline").map(() => "arguments of QEMU's own are not allowed"),
    ...machineObjections(domain),
  ];
}

function machineObjections(domain: XmlElement): string[] {
  const [type] = children(domain, "os").flatMap((os) => children(os, "type"));
  const machine = type?.attributes["machine"] ?? "";
  const usb = children(domain, "devices")
    .flatMap((devices) => children(devices, "controller"))
    .filter(({ attributes }) => attributes["type"] === "usb");
  return [
    ...(/^(pc-)?q35/.test(machine) ? [] : [`the machine must be a q35, got ${JSON.stringify(machine)}`]),
    // Without a word against it libvirt gives a machine USB.
    ...(usb.length === 0 ? ["there must be a usb controller of the model none"] : []),
  ];
}

function isAllowed(element: XmlElement): boolean {
  const rule = allowed[element.name];
  return rule?.({ of: (where) => attribute(element, where) }) ?? false;
}

function attribute(element: XmlElement, where: string): string {
  const [first = "", second] = where.split("@");
  if (second === undefined) return element.attributes[first] ?? "";
  return children(element, first)[0]?.attributes[second] ?? "";
}

/** `channel (type unix, target virtio org.qemu.guest_agent.0)`: enough to find it. */
function describe(element: XmlElement): string {
  const words = ["type", "device", "model", "bus", "index"].flatMap((name) => {
    const value = element.attributes[name];
    return value === undefined ? [] : [`${name} ${value}`];
  });
  const [target] = children(element, "target");
  const aim = target === undefined ? [] : [`target ${Object.values(target.attributes).join(" ")}`];
  const inside = [...words, ...aim].join(", ");
  return `${element.name}${inside === "" ? "" : ` (${inside})`}`;
}

function children(element: XmlElement, name?: string): readonly XmlElement[] {
  return name === undefined ? element.children : element.children.filter((child) => child.name === name);
}

function parse(xml: string): XmlElement {
  let reason: string;
  try {
    const root = readXml(xml);
    if (root.name === "domain") return root;
    reason = `<${root.name}>`;
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  throw new RangeError(`\`xml\` must be libvirt's definition of a virtual machine, got ${reason}`);
}
