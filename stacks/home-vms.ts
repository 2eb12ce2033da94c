/** Nodes in virtual machines on libvirt. */
import { FlatcarVm } from "../components/libvirt/flatcar-vm.ts";
import { LibvirtHost } from "../components/libvirt/libvirt-host.ts";
import type { DataDisk } from "../components/libvirt/virtual-machine.ts";
import { VmImage } from "../components/libvirt/vm-image.ts";
import { flatcarPlaces } from "../components/render/flatcar.ts";
import { flatcarImage } from "../components/render/flatcar-image.ts";
import type { HomeConfig, VmNode } from "./home-config.ts";
import type { HomeMaker, HomeParts } from "./home-hosts.ts";
import type { MadeNode } from "./made-node.ts";

export const makeVms: HomeMaker<VmNode> = (nodes, home, parts) => {
  const { flatcar, libvirtHosts } = home;
  if (flatcar === undefined) throw new Error("`flatcar` must be known where there are virtual machines");
  const image = new VmImage("flatcar", flatcarImage({ ...flatcar, fingerprint: parts.imageSigner }));
  const used = new Set(nodes.map(({ vm }) => vm.host));
  const hosts = new Map(
    Object.entries(libvirtHosts).flatMap(([name, { uri, site, pool, type }]) =>
      used.has(name) ? [[name, new LibvirtHost(name, { uri, site, pool, type })] as const] : [],
    ),
  );
  return nodes.map((node) => makeVm(node, { home, parts, image, host: hosts.get(node.vm.host) }));
};

interface Ground {
  readonly home: HomeConfig;
  readonly parts: HomeParts;
  readonly image: VmImage;
  readonly host: LibvirtHost | undefined;
}

function makeVm(node: VmNode, { home, parts, image, host }: Ground): MadeNode {
  const { name: nodeName, role, vm } = node;
  const network = vm.network ?? home.libvirtHosts[vm.host]?.network;
  if (host === undefined || network === undefined)
    throw new Error(`${nodeName} must have a host and a network`);
  const { vcpus, memoryMiB, memoryHardLimit, systemDiskGiB, osUpdates, address } = vm;
  const { clusterName, tailnet, publicKey, privateKey, artifacts } = parts;
  const machine = new FlatcarVm(nodeName, {
    ...{ clusterName, nodeName, role, tailnet, publicKey, privateKey, artifacts },
    ...{ host, image, vcpus, memoryMiB, memoryHardLimit, systemDiskGiB, osUpdates, network, address },
    dataDisk: dataDisk(vm),
  });
  return {
    node,
    host: machine,
    place: { address, port: 22, user: machine.user, library: flatcarPlaces.library },
  };
}

function dataDisk({ dataDiskGiB, dataDevice }: VmNode["vm"]): DataDisk | undefined {
  if (dataDiskGiB !== undefined) return { sizeGiB: dataDiskGiB };
  return dataDevice === undefined ? undefined : { blockDevice: dataDevice };
}
