/** Lowest and highest number of minute, hour, day of the month, month and weekday. */
const ranges = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
] as const;

/** The five fields of cron: numbers, ranges, lists and steps. Names of months and days are not taken. */
export function isCronSchedule(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  return (
    fields.length === ranges.length &&
    ranges.every(([low, high], index) =>
      (fields[index] ?? "").split(",").every((it) => isPart(it, low, high)),
    )
  );
}

function isPart(part: string, low: number, high: number): boolean {
  const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
  if (match === null) return false;
  const from = Number(match[1] ?? low);
  const to = Number(match[2] ?? match[1] ?? high);
  const step = Number(match[3] ?? 1);
  return from >= low && to <= high && from <= to && step >= 1;
}
