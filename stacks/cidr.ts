/** An IPv4 network in CIDR notation. */
export interface Network {
  /** Its own address: the lowest, as a number. */
  readonly address: number;
  readonly prefix: number;
  /** What was written names this network by its own address. */
  readonly exact: boolean;
}

/** Undefined for what is no IPv4 network. */
export function parseNetwork(text: string): Network | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = (match ?? []).slice(1).map(Number);
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined;
  const written = ((a * 256 + b) * 256 + c) * 256 + d;
  const size = 2 ** (32 - prefix);
  const address = Math.floor(written / size) * size;
  return { address, prefix, exact: address === written };
}

export function formatNetwork({ address, prefix }: Pick<Network, "address" | "prefix">): string {
  const bytes = [24, 16, 8, 0].map((shift) => String(Math.floor(address / 2 ** shift) % 256));
  return `${bytes.join(".")}/${String(prefix)}`;
}

/** True where every address of `inner` is one of `outer`. */
export function contains(outer: Network, inner: Network): boolean {
  const size = 2 ** (32 - outer.prefix);
  return outer.prefix <= inner.prefix && Math.floor(inner.address / size) * size === outer.address;
}
