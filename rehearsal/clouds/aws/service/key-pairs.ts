/** Key pairs: ImportKeyPair, CreateKeyPair, DeleteKeyPair, GetKeyPair. */
import { createHash, createPublicKey, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { Account } from "../account.ts";
import type { KeyPairEntry } from "../books.ts";
import { invalidInput } from "../errors.ts";
import { checkName, checkTags, entryIn, knownIn, newArn } from "./rules.ts";

export interface KeyPairOrder {
  readonly name: string;
  readonly region: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** The key's bytes in `ssh-rsa AAAA... comment`; Lightsail takes no other kind of key. */
function blobOf(publicKey: string): Buffer {
  const [kind, text] = publicKey.trim().split(/\s+/);
  const blob = Buffer.from(text ?? "", "base64");
  const header = Buffer.from("\0\0\0\x07ssh-rsa", "latin1");
  const whole = blob.toString("base64").replace(/=+$/, "") === (text ?? "").replace(/=+$/, "");
  if (kind === "ssh-rsa" && whole && blob.length > 100 && blob.subarray(0, header.length).equals(header)) {
    return blob;
  }
  throw invalidInput("The public key must be an RSA key in OpenSSH format, base64-encoded (ssh-rsa AAAA...)");
}

/** https://datatracker.ietf.org/doc/html/rfc4716#section-4 */
function fingerprintOf(blob: Buffer): string {
  return (createHash("md5").update(blob).digest("hex").match(/../g) ?? []).join(":");
}

export async function importKeyPair(account: Account, order: KeyPairOrder, publicKey: string): Promise<void> {
  const { name, region, tags } = order;
  const fingerprint = fingerprintOf(blobOf(publicKey));
  await account.books.change((books) => {
    checkName(name);
    checkTags(tags);
    if (name in books.keyPairs) throw invalidInput(`Some names are already in use: ${name}`);
    const arn = newArn(region, "KeyPair");
    books.keyPairs[name] = { arn, region, publicKey: publicKey.trim(), fingerprint, tags: { ...tags } };
  });
}

/** Makes a key pair; the private key is in this answer and nowhere else. */
export async function createKeyPair(
  account: Account,
  order: KeyPairOrder,
): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  const made = await promisify(generateKeyPair)("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const { n = "", e = "" } = createPublicKey(made.publicKey).export({ format: "jwk" });
  const parts = [Buffer.from("ssh-rsa"), number(e), number(n)];
  const blob = Buffer.concat(parts.flatMap((part) => [length(part), part]));
  const publicKey = `ssh-rsa ${blob.toString("base64")}`;
  await importKeyPair(account, order, publicKey);
  return { publicKey, privateKey: made.privateKey };
}

/** https://datatracker.ietf.org/doc/html/rfc4251#section-5 */
function number(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, "base64url");
  return (bytes[0] ?? 0) > 127 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
}

function length(bytes: Buffer): Buffer {
  const text = Buffer.alloc(4);
  text.writeUInt32BE(bytes.length);
  return text;
}

export async function findKeyPair(
  account: Account,
  region: string,
  name: string,
): Promise<KeyPairEntry | undefined> {
  return entryIn((await account.books.read()).keyPairs, region, name);
}

export async function tagKeyPair(
  account: Account,
  region: string,
  name: string,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  checkTags(tags);
  await account.books.change((books) => {
    knownIn(books.keyPairs, region, "KeyPair", name).tags = { ...tags };
  });
}

export async function deleteKeyPair(account: Account, region: string, name: string): Promise<void> {
  await account.books.change((books) => {
    knownIn(books.keyPairs, region, "KeyPair", name);
    Reflect.deleteProperty(books.keyPairs, name);
  });
}
