/**
 * The messages of Lima's driver service that are not empty: one or two fields each.
 * https://github.com/lima-vm/lima/blob/v2.2.0/pkg/driver/external/driver.proto
 */
import jspb from "google-protobuf";

/** `SetConfigRequest` and `SetConfigResponse`, `InfoResponse`: JSON as bytes. */
export const json = {
  read: (buffer: Buffer): string => {
    const reader = new jspb.BinaryReader(buffer);
    let text = "";
    while (reader.nextField()) {
      if (reader.getFieldNumber() === 1) text = Buffer.from(reader.readBytes()).toString("utf8");
      else reader.skipField();
    }
    return text;
  },
  write: (text: string): Buffer => {
    const writer = new jspb.BinaryWriter();
    writer.writeBytes(1, Buffer.from(text, "utf8"));
    return Buffer.from(writer.getResultBuffer());
  },
};

/** `StartResponse`: it began or it came to its end, or why not. */
export interface StartResponse {
  readonly success: boolean;
  readonly error?: string;
}

export function writeStartResponse({ success, error }: StartResponse): Buffer {
  const writer = new jspb.BinaryWriter();
  if (success) writer.writeBool(1, true);
  if (error !== undefined) writer.writeString(2, error);
  return Buffer.from(writer.getResultBuffer());
}

/** `ForwardGuestAgentResponse`. */
export function writeYesOrNo(yes: boolean): Buffer {
  const writer = new jspb.BinaryWriter();
  if (yes) writer.writeBool(1, true);
  return Buffer.from(writer.getResultBuffer());
}

/** `SSHAddressResponse`. */
export function writeText(text: string): Buffer {
  const writer = new jspb.BinaryWriter();
  writer.writeString(1, text);
  return Buffer.from(writer.getResultBuffer());
}
