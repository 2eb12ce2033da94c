/** Lists the objects of an S3 bucket: what a stack can be restored from when none of its servers is left to be asked. */
import { createHash, createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { rootCertificates } from "node:tls";
import { z } from "zod";
import { Failure } from "../errors.ts";

/** Where the snapshots are, and with whose key. */
export const bucketSchema = z.object({
  /** Host name, with a port where it is not 443. */
  endpoint: z.string(),
  bucket: z.string(),
  region: z.string(),
  /** Below which the snapshots are; "" for the bucket itself. */
  folder: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
});
export type Bucket = z.infer<typeof bucketSchema>;

export interface BucketObject {
  readonly key: string;
  /** ISO 8601. */
  readonly modified: string;
  /** Bytes. */
  readonly size: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MILLISECONDS = 15_000;

/** @throws Failure with the service's own words when it refuses. */
export async function listBucket(bucket: Bucket, environment: Environment): Promise<BucketObject[]> {
  const found: BucketObject[] = [];
  let next: string | undefined;
  do {
    const query = {
      "list-type": "2",
      ...(next === undefined ? {} : { "continuation-token": next }),
      ...(bucket.folder === "" ? {} : { prefix: `${bucket.folder}/` }),
    };
    const text = await get(bucket, query, environment);
    found.push(...objectsIn(text));
    next = /<NextContinuationToken>([^<]*)</.exec(text)?.[1];
  } while (next !== undefined);
  return found;
}

/** What a ListObjectsV2 answer names. */
export function objectsIn(xml: string): BucketObject[] {
  return [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, content = ""]) => {
    const value = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(content)?.[1] ?? "";
    return { key: plain(value("Key")), modified: value("LastModified"), size: Number(value("Size")) };
  });
}

function plain(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");
}

async function get(
  bucket: Bucket,
  query: Readonly<Record<string, string>>,
  environment: Environment,
): Promise<string> {
  const { host, path } = placeOf(bucket);
  const search = queryText(query);
  const headers = signedHeaders(bucket, { host, path, search }, new Date());
  const ca = environment["SSL_CERT_FILE"];
  const trusted =
    ca === undefined || ca === "" ? {} : { ca: [...rootCertificates, await readFile(ca, "utf8")] };
  const agent = new Agent({ ...trusted, proxyEnv: { ...environment } });
  const where = `the bucket ${bucket.bucket} at ${bucket.endpoint}`;
  const [hostname = "", port = "443"] = host.split(":");
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(new Failure(`${where} cannot be listed: ${reason}`));
    };
    const sent = request(
      { hostname, port, path: `${path}?${search}`, headers, agent, timeout: TIMEOUT_MILLISECONDS },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          if (answer.statusCode === 200) resolve(text);
          else fail(`HTTP ${String(answer.statusCode)} ${/<Code>([^<]*)</.exec(text)?.[1] ?? ""}`.trim());
        });
        answer.on("error", (error) => {
          fail(error.message);
        });
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("it does not answer")));
    sent.on("error", (error) => {
      fail(error.message);
    });
    sent.end();
  });
}

/** AWS has a name for each bucket; other services have it in the path: what k3s's client does too. */
export function placeOf({ endpoint, bucket, region }: Bucket): { host: string; path: string } {
  return endpoint.endsWith(".amazonaws.com")
    ? { host: `${bucket}.s3.dualstack.${region}.amazonaws.com`, path: "/" }
    : { host: endpoint, path: `/${bucket}` };
}

interface Target {
  readonly host: string;
  readonly path: string;
  readonly search: string;
}

/**
 * Signature version 4 of a GET without a body:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signedHeaders(
  { accessKeyId, secretAccessKey, region }: Bucket,
  { host, path, search }: Target,
  now: Date,
): Record<string, string> {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const content = sha256("");
  const names = "host;x-amz-content-sha256;x-amz-date";
  const canonical = [
    ...["GET", path, search],
    ...[`host:${host}`, `x-amz-content-sha256:${content}`, `x-amz-date:${time}`, "", names, content],
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<Buffer>(hmac, Buffer.from(`AWS4${secretAccessKey}`));
  const signature = hmac(key, toSign).toString("hex");
  return {
    host,
    "x-amz-content-sha256": content,
    "x-amz-date": time,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join("&");
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
