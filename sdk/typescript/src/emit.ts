import { validTraceparent } from "./event.js";

/** A connection of node-postgres, or anything that queries as it does. */
export interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: Array<Record<string, unknown>> }>;
}

/** What an event may say beside its subject and payload. */
export interface EmitOptions {
  /** Type and id of the aggregate: events of one aggregate are handled in order. Without it the event is unordered. */
  readonly aggregate?: readonly [type: string, id: string];
  /** When it happened; without it now. */
  readonly occurredAt?: Date;
  /** Not before this time is it published; without it at once. */
  readonly publishAfter?: Date;
  /** The event's id, a UUID; without it a new one. The same id twice fails as a duplicate key. */
  readonly id?: string;
}

/** Where an event comes from, when no handler says so by itself. */
export interface Lineage {
  /** The UUID that all events of one story share; without it the event starts one with its own id. */
  readonly correlationId?: string;
  /** The id of the event that caused this one. */
  readonly causationId?: string;
  /** A W3C trace context; one that is not valid is left out. */
  readonly traceparent?: string;
}

const EMIT = `SELECT outbox_emit(
  $1, $2::jsonb, $3, $4, $5::uuid, $6::uuid, $7::timestamptz, $8::timestamptz, $9, $10::uuid) AS id`;

/**
 * Puts an event into the outbox of the caller's own transaction, and returns its id. For producers that handle no
 * event, such as an API: `client` is the connection that has begun the transaction (not the pool). The event goes out
 * when that transaction commits, and never when it does not.
 *
 * `payload` is anything that JSON.stringify writes. Rejects with TypeError when it is not, and with the database's
 * error (SQLSTATE MQ001 to MQ005) when the outbox refuses the event.
 */
export async function emit(
  client: Queryable,
  subject: string,
  payload: unknown,
  options: EmitOptions & Lineage = {},
): Promise<string> {
  const [aggregateType = null, aggregateId = null] = options.aggregate ?? [];
  const values = [
    subject,
    jsonOf(payload),
    aggregateType,
    aggregateId,
    options.correlationId ?? null,
    options.causationId ?? null,
    options.occurredAt?.toISOString() ?? null,
    options.publishAfter?.toISOString() ?? null,
    validTraceparent(options.traceparent),
    options.id ?? null,
  ];
  const { rows } = await client.query(EMIT, values);
  return rows[0]?.["id"] as string;
}

function jsonOf(payload: unknown): string {
  const text = JSON.stringify(payload) as string | undefined;
  if (text === undefined) throw new TypeError(`a payload is JSON; ${typeof payload} has none`);
  return text;
}
