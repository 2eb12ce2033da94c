/**
 * What the rehearsed cloud's S3 service works on: a folder that versitygw serves, and that the stand-in for AWS fills from its
 * books. Both are processes of their own, so files are what they share.
 */
import { join } from "node:path";
import { z } from "zod";

/** Names of the files in a rehearsal's folder. */
export const objectFiles = (folder: string) => {
  const root = join(folder, "objects");
  return {
    root,
    /** A folder for each bucket, with its objects. */
    data: join(root, "data"),
    /** What is known of buckets and objects beside their content: versitygw's `--sidecar`. */
    meta: join(root, "meta"),
    /** Who has which key: versitygw's `--iam-dir`. */
    keys: join(root, "keys"),
    /** Its authority and certificate. */
    tls: join(root, "tls"),
    /** Where it is. */
    service: join(root, "service.json"),
  };
};

/** Where the service answers. */
export const serviceSchema = z.strictObject({ address: z.string(), region: z.string() });
export type ObjectService = z.output<typeof serviceSchema>;

/** The name that k3s's client takes for a region of AWS (minio-go, `getS3Endpoint`), below which each bucket has one. */
export function serviceName(region: string): string {
  return `s3.dualstack.${region}.amazonaws.com`;
}
