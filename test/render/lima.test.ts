import { execa } from "execa";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { limaFromBlueprint, usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { limaProvision } from "../../components/render/lima-provision.ts";
import { type LimaMachine, renderLima } from "../../components/render/lima.ts";
import {
  agent,
  agent4,
  authorizedKey,
  limaGoldens,
  limaMachine,
  limaTexts,
  qemuAgent,
  userData,
} from "./samples-lima.ts";

interface Rendered {
  readonly vmType: string;
  readonly plain: boolean;
  readonly images: readonly { readonly arch: string; readonly location: string; readonly digest: string }[];
  readonly additionalDisks: readonly unknown[];
  readonly networks: readonly unknown[];
  readonly provision: readonly {
    readonly mode: string;
    readonly path?: string;
    readonly permissions?: string;
    readonly content?: string;
    readonly script?: string;
  }[];
}
const rendered = (machine: LimaMachine): Rendered => parse(renderLima(machine)) as Rendered;

test.each(Object.entries(limaGoldens))("golden %s", async (name, text) => {
  await expect(text).toMatchFileSnapshot(`golden/lima/${name}.yaml`);
});

describe("the machine", () => {
  test("shares nothing with the Mac, and brings no containers of Lima's", () => {
    expect(rendered(agent)).toMatchObject({
      plain: true,
      mounts: [],
      containerd: { system: false, user: false },
      ssh: { localPort: 60_101, loadDotSSHPubKeys: false, forwardAgent: false },
      video: { display: "none" },
    });
  });

  test("has images for Intel and for Apple's processors, each with its sum", () => {
    const { images } = rendered(agent);
    expect(images.map(({ arch }) => arch)).toEqual(["x86_64", "aarch64"]);
    for (const { location, digest } of images) {
      expect(location).toMatch(
        /^https:\/\/cloud-images\.ubuntu\.com\/releases\/noble\/release-\d{8}\/.*\.img$/,
      );
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    }
  });

  test("leaves its data disk to the boot sequence: Lima neither formats nor mounts it", () => {
    // Lima's own scripts would take `format: false` for a disk with a partition; with `plain` none of them runs.
    expect(rendered(agent)).toMatchObject({
      plain: true,
      additionalDisks: [{ name: "home-agent-1-data", format: false }],
    });
    expect(userData).toContain("DATA_DISK=wanted");
  });

  test("agent-4 differs by what its override says, and by nothing else", () => {
    const common = ["sshPort", "dataDisk", "message", "network"];
    const differing = Object.keys(agent).filter(
      (key) =>
        !common.includes(key) &&
        JSON.stringify(agent[key as keyof LimaMachine]) !== JSON.stringify(agent4[key as keyof LimaMachine]),
    );
    expect(differing).toEqual(["images", "cpus", "memoryMiB"]);
    expect(rendered(agent4)).toMatchObject({ cpus: 4, memory: "16384MiB", disk: "20GiB" });
    expect(rendered(agent4).images[1]?.location).toMatch(/ubuntu-25\.10-server-cloudimg-arm64\.img$/);
  });

  test("is on Lima's own network, or on one of socket_vmnet's", () => {
    expect(rendered(agent).networks).toEqual([{ lima: "user-v2" }]);
    expect(rendered(agent4).networks).toEqual([{ lima: "shared" }]);
    expect(rendered(qemuAgent).vmType).toBe("qemu");
  });
});

describe("the first start", () => {
  const { provision } = rendered(agent);
  const content = (path: string): string | undefined => provision.find((it) => it.path === path)?.content;

  test("runs user-data byte for byte as a cloud's machine gets it, and then says that it did", () => {
    expect(content("/var/lib/homespan/lima/user-data")).toBe(userData);
    expect(provision.find((it) => it.path === "/var/lib/homespan/lima/user-data")?.permissions).toBe("755");
    const script = provision.find(({ mode }) => mode === "system")?.script;
    expect(script).toBe(limaTexts["boot/machine/lima/provision"]);
  });

  test("lets the cluster's key in, and passwords nowhere", () => {
    expect(content("/etc/ssh/homespan_keys")).toBe(`${authorizedKey}\n`);
    const sshd = content("/etc/ssh/sshd_config.d/10-homespan.conf")?.split("\n");
    expect(sshd).toContain("AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/homespan_keys");
    expect(sshd).toContain("PasswordAuthentication no");
  });

  test("keeps the host keys, though cloud-init takes every start for that of a new machine", () => {
    expect(content("/etc/cloud/cloud.cfg.d/90-homespan.cfg")).toBe("ssh_deletekeys: false\n");
  });

  test("holds nothing secret and nothing of k3s", () => {
    expect(renderLima(agent)).not.toMatch(/PRIVATE KEY|tskey|hskey|config\.yaml|cluster-init|\btoken\b/);
  });

  test.each(["", "no key", "ssh-rsa AAAA one\nssh-rsa BBBB two", "ssh-rsa AAAA \u001b[2J"])(
    "refuses %j as a key",
    (key) => {
      expect(() => limaProvision({ sources: limaTexts, userData, authorizedKey: key })).toThrow(
        /`authorizedKey` must be a public key in one line/,
      );
    },
  );

  test("its script is read by dash", async () => {
    await execa("dash", ["-n"], { input: limaTexts["boot/machine/lima/provision"] ?? "" });
  });
});

describe("what Lima would refuse, or read as something else, is refused", () => {
  test("all at once", () => {
    const wrong: LimaMachine = {
      ...agent,
      cpus: 0,
      memoryMiB: 1.5,
      sshPort: 22,
      dataDisk: "a--b",
      network: { kind: "vmnet", name: "../etc" },
      images: [{ arch: "x86_64", location: "image with spaces", sha256: "0" }],
      message: "{{.Name}}",
    };
    expect(() => renderLima(wrong)).toThrow(
      [
        "`cpus` must be a whole number above 0, got 0",
        "`memoryMiB` must be a whole number above 0, got 1.5",
        "`sshPort` must be a whole number from 1024 to 65535, got 22",
        '`dataDisk` must be at most 76 letters, digits and single hyphens, dots or underscores between them, got "a--b"',
        '`network` must be at most 76 letters, digits and single hyphens, dots or underscores between them, got "../etc"',
        '`images` must be http://, https:// or an absolute path without spaces, got "image with spaces"',
        '`sha256` must be 64 lower-case hexadecimal digits, got "0" for image with spaces',
        "`message` must hold no {{, which Lima takes for a template",
      ].join("\n"),
    );
  });

  test.each(["echo {{.Param.x}}", "bell \u0007", "cr\r\n"])("a script with %j", (script) => {
    expect(() => renderLima({ ...agent, provision: [{ mode: "system", script }] })).toThrow(/`script` must/);
  });

  test("no image at all", () => {
    expect(() => renderLima({ ...agent, images: [] })).toThrow("`images` must name an image, got none");
  });
});

test("is the same text for the same data, and says just what the data says", () => {
  fc.assert(
    fc.property(limaMachine, (machine) => {
      const text = renderLima(machine);
      expect(
        renderLima(Object.fromEntries(Object.entries(machine).reverse()) as unknown as LimaMachine),
      ).toBe(text);
      const read = rendered(machine);
      expect(read.provision).toEqual(machine.provision);
      expect(read).toMatchObject({
        cpus: machine.cpus,
        memory: `${machine.memoryMiB}MiB`,
        message: machine.message,
        additionalDisks: [{ name: machine.dataDisk, format: false }],
      });
    }),
    { numRuns: 60 },
  );
});

describe("a blueprint", () => {
  test("gives the reference cluster's four agents", () => {
    const overrides = [{}, {}, {}, { cpus: 4, memoryMiB: 16_384, image: "ubuntu-25.10" as const }];
    const agents = overrides.map((override) => limaFromBlueprint(usualLimaBlueprint, override));
    expect(agents.map(({ memoryMiB }) => memoryMiB)).toEqual([8192, 8192, 8192, 16_384]);
    expect(agents.map(({ cpus }) => cpus)).toEqual([3, 3, 3, 4]);
    expect(agents.map(({ image }) => image)).toEqual([
      ...["ubuntu-24.04", "ubuntu-24.04", "ubuntu-24.04", "ubuntu-25.10"],
    ]);
    expect(new Set(agents.map(({ dataDiskGiB }) => dataDiskGiB))).toEqual(new Set([300]));
  });

  test("an override that says nothing changes nothing", () => {
    expect(limaFromBlueprint(usualLimaBlueprint, JSON.parse("{}") as object)).toEqual(usualLimaBlueprint);
  });

  test("says all that is wrong at once", () => {
    const override = JSON.parse(
      '{"image":"ubuntu-25.11","cpus":0,"memoryMiB":512,"memorMiB":1,"diskGiB":"20"}',
    ) as object;
    expect(() => limaFromBlueprint(usualLimaBlueprint, override)).toThrow(
      [
        '`memorMiB` must be a known property; did you mean "memoryMiB"?',
        '`image` must be one of ubuntu-24.04, ubuntu-25.10, got "ubuntu-25.11"; did you mean "ubuntu-25.10"?',
        "`cpus` must be a whole number of at least 1, got 0",
        "`memoryMiB` must be a whole number of at least 1024, got 512",
        '`diskGiB` must be a whole number of at least 8, got "20"',
      ].join("\n"),
    );
  });
});
