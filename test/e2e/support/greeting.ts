/** A small image of a text: what runs it says the text, and stays. */
import { buildSmallImage } from "./small-image.ts";

export async function buildGreeting(image: string, text: string): Promise<void> {
  await buildSmallImage(image, `CMD ${JSON.stringify(["sh", "-c", `echo ${text}; exec sleep 3600`])}`);
}
