/** What doctor says of nodes at home. */
import { expect, test } from "vitest";
import { checkHome, type HomeFacts } from "../../cli/doctor/home.ts";

const facts: HomeFacts = { vms: 0, missing: ["xsltproc", "gpgv"] };
const said = (changes: Partial<HomeFacts>): string[] =>
  checkHome({ ...facts, ...changes }).map(({ name, result, message }) => `${name} ${result}: ${message}`);

test("nothing, of a stack without nodes at home", () => {
  expect(said({})).toEqual([]);
});

test("the stack that is joined has to be up, with a version that offers its cluster", () => {
  const joined = (outputs: Record<string, unknown>): string[] =>
    said({ joined: { stack: "lightsail", outputs } });
  expect(joined({})).toEqual([
    "join problem: stack lightsail, whose cluster is to be joined, is not up here",
  ]);
  expect(joined({ clusterName: "prod" })).toEqual([
    "join problem: stack lightsail was brought up by a version of Homespan that offers nothing to agents of others",
  ]);
  expect(joined({ clusterName: "prod", join: {} })).toEqual([
    "join ok: stack lightsail offers its cluster prod",
  ]);
});

test("virtual machines need three programs here", () => {
  expect(said({ vms: 2 })).toEqual([
    "libvirt problem: xsltproc is missing: libvirt's provider applies the stylesheet of a machine with it; gpgv is missing: an image's signature is checked with it",
  ]);
  expect(said({ vms: 1, missing: [] })).toEqual(["libvirt ok: virsh, xsltproc, gpgv are there"]);
});

test.each([
  ["brew", "brew install libvirt libxslt gnupg"],
  ["apt-get", "apt-get install libvirt-clients xsltproc gpgv"],
  ["other", "install your distribution's packages of: libvirt-clients xsltproc gpgv"],
] as const)("where %s installs programs, the fix is: %s", (installer, fix) => {
  const missing = ["virsh", "xsltproc", "gpgv"];
  expect(checkHome({ vms: 1, missing }, installer).map((check) => check.fix)).toEqual([fix]);
});
