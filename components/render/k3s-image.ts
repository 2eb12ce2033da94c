/** k3s's images carry the release as tag, with `-` for the `+` that a tag cannot hold. */
export function k3sReleaseOf(image: string): string {
  const tag = image.slice(image.lastIndexOf(":") + 1);
  return tag.replace(/-(k3s\d+)$/, "+$1");
}

/** The image of another release, from the same repository as `image`. */
export function k3sImageFor(image: string, release: string): string {
  return `${image.slice(0, image.lastIndexOf(":"))}:${release.replace("+", "-")}`;
}
