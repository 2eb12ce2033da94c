/** Which content the images of a registry must have. */

/** Of the image's manifest, or of its list of manifests: `sha256:<hex>`. */
export type Digest = `sha256:${string}`;

/**
 * By image name, as in components/upstream/images.ts: an image that is here is pulled by its digest. The others are
 * pulled by their tag, and the digest seen first is kept (docs/decisions/0012-images-by-tag.md).
 */
export type ImagePins = Readonly<Partial<Record<string, { readonly digest: Digest }>>>;

export const imagePins: ImagePins = {};
