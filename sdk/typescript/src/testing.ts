/**
 * Handlers tested as they run, against a context's database, without broker, worker or HTTP.
 *
 * @packageDocumentation
 */

import { randomUUID } from "node:crypto";

import pg from "pg";

import type { Answer } from "./answer.js";
import { readCall } from "./event.js";
import { handle } from "./handle.js";
import type { Handlers } from "./handlers.js";

export type { Answer } from "./answer.js";

/** A call as the worker makes it: what is posted to the handlers. */
export interface Call {
  readonly message_id: string;
  readonly subject: string;
  readonly event_type: string;
  readonly event_version: number;
  readonly occurred_at: string | null;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly aggregate_type: string | null;
  readonly aggregate_id: string | null;
  readonly consumer: string;
  readonly attempt: number;
  readonly fence: number;
  readonly payload: unknown;
  readonly traceparent: string | null;
}

/** What an event may say beside its subject and payload; everything has a value of its own without it. */
export interface CallOptions {
  readonly aggregate?: readonly [type: string, id: string];
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  readonly occurredAt?: Date;
  readonly consumer?: string;
}

/** An event that handlers have put into the outbox. */
export interface Emitted {
  readonly id: string;
  readonly subject: string;
  readonly payload: unknown;
  readonly aggregate_type: string | null;
  readonly aggregate_id: string | null;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly trace_id: string | null;
  readonly occurred_at: Date;
  readonly publish_after: Date | null;
}

/** Where the inbox stands with a call's event. */
export interface InboxRow {
  readonly state: string;
  readonly attempts: number;
  readonly fence: number;
}

/** Settings of the test calls. */
export interface CallsOptions {
  /**
   * The context's database as its worker role (or as a superuser): it plays the worker. It must be provisioned with
   * `sea-mq db provision`, and no worker may run on it, which would publish what the handlers emit.
   */
  readonly databaseUrl: string;
}

/** Plays the worker: records events in the inbox and hands them to the handlers. */
export class Calls {
  readonly #handlers: Handlers;
  readonly #worker: pg.Pool;

  /** @internal */
  constructor(handlers: Handlers, worker: pg.Pool) {
    this.#handlers = handlers;
    this.#worker = worker;
  }

  /** Records a new event and hands its first attempt to the handlers. */
  async send(subject: string, payload: unknown, options: CallOptions = {}): Promise<Answer> {
    return this.handle(await this.attempt(subject, payload, options));
  }

  /** Records a new event and starts its first attempt: the call that the worker would make. */
  async attempt(subject: string, payload: unknown, options: CallOptions = {}): Promise<Call> {
    const [source = "", , eventType = "", version = ""] = subject.split(".");
    const call: Omit<Call, "attempt" | "fence"> = {
      message_id: randomUUID(),
      subject,
      event_type: eventType,
      event_version: Number(version.slice(1)),
      occurred_at: (options.occurredAt ?? new Date()).toISOString(),
      correlation_id: options.correlationId ?? randomUUID(),
      causation_id: options.causationId ?? null,
      aggregate_type: options.aggregate?.[0] ?? null,
      aggregate_id: options.aggregate?.[1] ?? null,
      consumer: options.consumer ?? `testing__from_${source}`,
      payload,
      traceparent: options.traceparent ?? null,
    };
    const values = [call.message_id, call.consumer, subject, call.event_type, call.event_version];
    const { rows } = await this.#worker.query<Pick<Call, "attempt" | "fence">>(START, values);
    return { ...call, ...only(rows) };
  }

  /** Starts another attempt at the same event: what was started before is outdated. */
  async attemptAgain(call: Call): Promise<Call> {
    const { rows } = await this.#worker.query<Pick<Call, "attempt" | "fence">>(START_AGAIN, keyOf(call));
    return { ...call, ...only(rows) };
  }

  /** Hands a call to the handlers; the status is that of the HTTP answer. */
  async handle(call: Call): Promise<Answer> {
    return only(await this.handleBatch([call]));
  }

  /** Hands a batch to the handlers; an answer for each call, in their order. */
  async handleBatch(calls: readonly Call[]): Promise<Answer[]> {
    // Through JSON, as on the wire.
    const sent = JSON.parse(JSON.stringify(calls)) as Call[];
    return handle(
      this.#handlers,
      sent.map((call) => readCall(call, call.traceparent)),
    );
  }

  /** The events that a call has caused, in order. */
  async emitted(call: Call): Promise<Emitted[]> {
    const { rows } = await this.#worker.query<Emitted>(EMITTED, [call.message_id]);
    return rows;
  }

  /** Where the inbox stands with a call's event: state `processed` once it is done. */
  async inbox(call: Call): Promise<InboxRow> {
    const { rows } = await this.#worker.query<InboxRow>(INBOX, keyOf(call));
    return only(rows);
  }

  /** Ends its connections; the handlers' pool is their owner's. */
  async close(): Promise<void> {
    await this.#worker.end();
  }
}

/** Connects to the database. Rejects with the driver's error when it cannot be reached. */
export async function openCalls(handlers: Handlers, options: CallsOptions): Promise<Calls> {
  const worker = new pg.Pool({ connectionString: options.databaseUrl, application_name: "sea-mq testing", max: 2 });
  // The next statement says so; without a listener it would end the process.
  worker.on("error", () => {});
  await worker.query("SELECT FROM inbox_messages LIMIT 0");
  return new Calls(handlers, worker);
}

function keyOf(call: Call): [string, string] {
  return [call.message_id, call.consumer];
}

function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error("the inbox has no such message: make the call with attempt()");
  return row;
}

const START = `
  INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, attempts, fence,
                              stream, stream_created_at, stream_seq, headers, body, state, lane)
  VALUES ($1, $2, $3, $4, $5, 1, 1, 'TESTING', '2026-01-01Z', 1, '[]', '{}', 'running', 0)
  RETURNING attempts AS attempt, fence::integer`;

const START_AGAIN = `
  UPDATE inbox_messages
  SET state = 'running', attempts = attempts + 1, fence = fence + 1, processed_at = NULL, headers = '[]', body = '{}'
  WHERE message_id = $1 AND consumer = $2
  RETURNING attempts AS attempt, fence::integer`;

const EMITTED = `
  SELECT id, subject, payload, aggregate_type, aggregate_id, correlation_id, causation_id, trace_id,
         occurred_at, publish_after
  FROM outbox_events WHERE causation_id = $1 ORDER BY seq`;

const INBOX = `
  SELECT state, attempts, fence::integer FROM inbox_messages WHERE message_id = $1 AND consumer = $2`;
