/** The books of a rehearsed Tailscale account: everything its API knows that Headscale does not. One file, one process that writes it. */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { Books } from "../shared/books.ts";
import { DEFAULT_POLICY } from "./policy.ts";

/** The account's one user, its owner. */
export const ACCOUNT_USER = "owner@example.com";

const keySchema = z.strictObject({
  /** Id in Headscale. */
  control: z.string(),
  description: z.string(),
  /** ISO 8601, as are all times here. */
  created: z.string(),
  expires: z.string(),
  revoked: z.string().optional(),
  expirySeconds: z.number().int(),
  reusable: z.boolean(),
  ephemeral: z.boolean(),
  preauthorized: z.boolean(),
  tags: z.array(z.string()),
  /** "" for a key that an OAuth client made. */
  userId: z.string(),
});
export type LoginKey = z.output<typeof keySchema>;

const booksSchema = z.strictObject({
  credentials: z.strictObject({
    apiKey: z.string(),
    oauthClientId: z.string(),
    oauthClientSecret: z.string(),
  }),
  userId: z.string(),
  /** The policy file as it was set. */
  policy: z.string(),
  magicDns: z.boolean(),
  keys: z.record(z.string(), keySchema),
});
export type AccountBooks = z.output<typeof booksSchema>;

/** Reads and changes the books. */
export interface Account {
  readonly books: AccountBooks;
  /** Applies a change, which is in the file when this returns. */
  change(edit: (books: AccountBooks) => Partial<AccountBooks>): Promise<void>;
}

/** Opens the books of an account; a new account has Tailscale's defaults. */
export async function openAccount(file: string): Promise<Account> {
  const stored = new Books(file, booksSchema, newBooks);
  const write = (edit: (books: AccountBooks) => Partial<AccountBooks>): Promise<AccountBooks> =>
    stored.change((books) => Object.assign(books, edit(books)));
  // Written at once: a new account's credentials must be the same ever after.
  let books = await write(() => ({}));
  return {
    get books() {
      return books;
    },
    async change(edit) {
      books = await write(edit);
    },
  };
}

function newBooks(): AccountBooks {
  const client = newId("k");
  return {
    credentials: {
      apiKey: `tskey-api-${newId("k")}-${randomBytes(16).toString("hex")}`,
      oauthClientId: client,
      oauthClientSecret: `tskey-client-${client}-${randomBytes(16).toString("hex")}`,
    },
    userId: newId("u"),
    policy: DEFAULT_POLICY,
    magicDns: true,
    keys: {},
  };
}

/** An id in the form of Tailscale's: `kMxzN4791CNTRL`. */
export function newId(prefix: string): string {
  return `${prefix}${randomBytes(5).toString("hex")}CNTRL`;
}
