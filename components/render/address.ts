/**
 * The n-th address of an IPv4 subnet: `hostAddress("10.89.3.0/24", 10)` is `10.89.3.10`.
 *
 * @throws RangeError when the subnet is not IPv4 or has no such address
 */
export function hostAddress(subnet: string, host: number): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(subnet);
  const [octets, prefix] = [match?.slice(1, 5).map(Number) ?? [], Number(match?.[5])];
  if (match === null || prefix > 30 || octets.some((octet) => octet > 255)) {
    throw new RangeError(
      `\`subnet\` must be an IPv4 subnet such as 10.89.0.0/24, got ${JSON.stringify(subnet)}`,
    );
  }
  const size = 2 ** (32 - prefix);
  if (!Number.isInteger(host) || host < 1 || host > size - 2) {
    throw new RangeError(`\`host\` must be 1 to ${String(size - 2)} in ${subnet}, got ${String(host)}`);
  }
  const value = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const address = value - (value % size) + host;
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}
