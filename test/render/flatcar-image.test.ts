import { expect, test } from "vitest";
import { flatcarImage } from "../../components/render/flatcar-image.ts";
import { macAddress } from "../../components/render/mac-address.ts";
import { vmImageInputs } from "../../provider/schema/libvirt.ts";

const release = { channel: "stable", version: "4230.2.3", sha256: "a".repeat(64) } as const;
const flatcar =
  "https://stable.release.flatcar-linux.net/amd64-usr/4230.2.3/flatcar_production_qemu_image.img";

test("an image is where Flatcar publishes it, signed by Flatcar's own key", () => {
  const image = flatcarImage(release);
  expect(image).toEqual({
    urls: [flatcar],
    sha256: release.sha256,
    signatureUrls: [`${flatcar}.sig`],
    signingKeyUrls: ["https://www.flatcar.org/security/image-signing-key/Flatcar_Image_Signing_Key.asc"],
    fingerprint: "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A",
  });
  expect(vmImageInputs.parse(image)).toEqual(image);
});

test("a mirror is asked first, and no mirror decides who must have signed", () => {
  const image = flatcarImage({ ...release, mirrors: ["http://mirror.lan/flatcar/"] });
  expect(image.urls).toEqual(["http://mirror.lan/flatcar/flatcar_production_qemu_image.img", flatcar]);
  expect(image.signatureUrls[0]).toBe("http://mirror.lan/flatcar/flatcar_production_qemu_image.img.sig");
  expect(image.signingKeyUrls[0]).toBe("http://mirror.lan/flatcar/Flatcar_Image_Signing_Key.asc");
  expect(image.fingerprint).toBe(flatcarImage(release).fingerprint);
});

test("a release that moves is none", () => {
  expect(() => flatcarImage({ ...release, version: "current" })).toThrow(
    '`version` must be a release such as 4230.2.3, got "current"',
  );
});

test("a machine has the same address each time it is made, and no other has it", () => {
  expect(macAddress("prod-agent-1")).toBe(macAddress("prod-agent-1"));
  expect(macAddress("prod-agent-1")).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
  expect(macAddress("prod-agent-2")).not.toBe(macAddress("prod-agent-1"));
});
