const secondsPer = { m: 60, h: 3600, d: 86400 } as const;

/** A whole number of minutes, hours or days: `90m`, `2h`, `7d`. */
export const durationPattern = /^([1-9]\d{0,5})([mhd])$/;

/** Seconds in a duration; undefined when it is none. */
export function durationSeconds(text: string): number | undefined {
  const match = durationPattern.exec(text);
  const unit = match?.[2] as keyof typeof secondsPer | undefined;
  return unit === undefined ? undefined : Number(match?.[1]) * secondsPer[unit];
}

/** End of a life that began at `start`; null for one without end. */
export function endOfLife(start: string, timeToLive: string | undefined): string | null {
  const seconds = timeToLive === undefined ? undefined : durationSeconds(timeToLive);
  return seconds === undefined ? null : timeAfter(start, seconds);
}

/** The time a duration after another one, both as ISO 8601. */
export function timeAfter(start: string, seconds: number): string {
  return new Date(Date.parse(start) + seconds * 1000).toISOString();
}
