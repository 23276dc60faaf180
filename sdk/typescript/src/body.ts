/** The parts of a request's body, as they arrive. */
export type Parts = AsyncIterable<Uint8Array>;

/** A caller that sends more than this many times the limit is not listened to until the end. */
const PATIENCE = 4;

/** The whole body, or null when it has more than `limit` bytes: then it was read off without being kept. */
export async function readBody(parts: Parts, limit: number): Promise<Buffer | null> {
  const kept: Uint8Array[] = [];
  let length = 0;
  for await (const part of parts) {
    length += part.length;
    if (length <= limit) kept.push(part);
    // Whoever is cut off while it writes does not see the answer.
    else if (length > PATIENCE * limit) break;
    else kept.length = 0;
  }
  return length > limit ? null : Buffer.concat(kept);
}

/** What a body says as JSON. Throws SyntaxError or TypeError when it is none; their texts quote it. */
export function jsonOf(body: Buffer): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown;
}
