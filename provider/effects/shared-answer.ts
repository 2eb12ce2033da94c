/** One answer for all who ask the same within a moment: a refresh asks for every resource at once, and each program that is asked costs. */
export class SharedAnswers<Key, Answer> {
  readonly #now: () => number;
  readonly #milliseconds: number;
  readonly #known = new Map<Key, { readonly answer: Promise<Answer>; until: number }>();

  /** @param milliseconds for how long an answer counts after it came. */
  constructor(now: () => number, milliseconds: number) {
    this.#now = now;
    this.#milliseconds = milliseconds;
  }

  ask(key: Key, question: () => Promise<Answer>): Promise<Answer> {
    const known = this.#known.get(key);
    if (known !== undefined && this.#now() <= known.until) return known.answer;
    const answer = question();
    const entry = { answer, until: Number.POSITIVE_INFINITY };
    this.#known.set(key, entry);
    const end = (until: number): void => {
      entry.until = until;
    };
    answer.then(
      () => {
        end(this.#now() + this.#milliseconds);
      },
      () => {
        end(Number.NEGATIVE_INFINITY);
      },
    );
    return answer;
  }

  /** What was asked before this counts no more, also when its answer has yet to come. */
  forget(key: Key): void {
    this.#known.delete(key);
  }
}
