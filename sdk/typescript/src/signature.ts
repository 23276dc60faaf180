import { createHmac, timingSafeEqual } from "node:crypto";

/** A signed request, as Standard Webhooks says it in headers. */
export interface Signed {
  readonly id: string | null;
  readonly timestamp: string | null;
  readonly signature: string | null;
}

const TOLERANCE_SECS = 300;

/** The signature `v1,…` of a body. */
export function sign(key: Buffer, id: string, timestamp: string, body: Uint8Array): string {
  return `v1,${digest(key, id, timestamp, body).toString("base64")}`;
}

/** Why a request is refused; null when one of the keys has signed it within the last or next five minutes. */
export function whyRefused(keys: readonly Buffer[], signed: Signed, body: Uint8Array, nowSecs: number): string | null {
  const { id, timestamp, signature } = signed;
  if (id === null || timestamp === null || signature === null) {
    return "not signed: webhook-id, webhook-timestamp and webhook-signature are needed";
  }
  if (!/^\d{1,12}$/.test(timestamp)) return "webhook-timestamp: must be Unix seconds";
  if (Math.abs(nowSecs - Number(timestamp)) > TOLERANCE_SECS) {
    return `webhook-timestamp: more than ${TOLERANCE_SECS} s off; compare the clocks`;
  }
  const given = signature
    .split(" ")
    .filter((it) => it.startsWith("v1,"))
    .map((it) => Buffer.from(it.slice(3), "base64"));
  const matches = keys.some((key) => {
    const right = digest(key, id, timestamp, body);
    return given.some((it) => it.length === right.length && timingSafeEqual(it, right));
  });
  return matches ? null : "not signed by a secret that is known here";
}

function digest(key: Buffer, id: string, timestamp: string, body: Uint8Array): Buffer {
  return createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
}
