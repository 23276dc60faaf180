import type { Pool, PoolClient } from "pg";

import { emit, type EmitOptions } from "./emit.js";
import type { Event } from "./event.js";
import { aboutFailure, logToStdout, say, type Log } from "./log.js";
import type { PayloadOf, StandardSchema } from "./schema.js";

/**
 * `each`: an event has a transaction of its own. `together`: all events of a batch that chose it share one; when
 * anything fails in it, it is rolled back and they run again one by one, each in its own.
 */
export type TransactionMode = "each" | "together";

/** The open transaction of one event: it commits with the event's mark in the inbox, or not at all. */
export interface Transaction {
  /** The connection that is in it. No BEGIN, COMMIT or ROLLBACK; savepoints are fine. */
  readonly client: PoolClient;
  /** Puts an event into the outbox, caused by the handled one: correlation and trace go on. Returns its id. */
  emit(subject: string, payload: unknown, options?: EmitOptions): Promise<string>;
}

/** The open transaction of several events. */
export interface ManyTransaction {
  /** As in Transaction. */
  readonly client: PoolClient;
  /** Puts an event into the outbox, caused by `cause`. Returns its id. */
  emit(cause: Event<unknown, unknown>, subject: string, payload: unknown, options?: EmitOptions): Promise<string>;
}

/** What there is to say about an event type beside its handler. */
export interface Registration<Schema extends StandardSchema, Asked> {
  /** Validates the payload; what it hands over is `event.payload`. An invalid one is a dead letter (422). */
  readonly payload: Schema;
  /** Overrides the handlers' default. */
  readonly transaction?: TransactionMode;
  /**
   * Asks other services before the transaction; what it returns is `event.asked`. No connection is held meanwhile. It
   * may run again for the same event, so it may change nothing.
   */
  readonly ask?: (event: Event<PayloadOf<Schema>>) => Asked | Promise<Asked>;
}

/** @internal What is known about an event type and version; null is ignored. */
export interface Known {
  readonly schema: StandardSchema;
  readonly transaction: TransactionMode;
  readonly ask: ((event: Event) => unknown) | undefined;
  readonly effects: (client: PoolClient, events: readonly Event<unknown, unknown>[]) => Promise<void>;
}

/** Settings of all handlers of a context. */
export interface HandlersOptions {
  /** Of the context's database, as its application role. Its owner ends it. */
  readonly pool: Pool;
  /** For registrations that do not say; `each` by default. */
  readonly transaction?: TransactionMode;
  /** Where log lines go: one an event, as JSON to standard output by default. */
  readonly log?: Log;
}

/** The handlers of one context: what it does about each event type and version. */
export class Handlers {
  /** @internal */
  readonly pool: Pool;
  /** @internal */
  readonly log: Log;
  /** @internal By type and version. */
  readonly known = new Map<string, Known | null>();
  readonly #transaction: TransactionMode;

  /** @internal */
  constructor(options: HandlersOptions) {
    this.pool = options.pool;
    this.log = options.log ?? logToStdout;
    this.#transaction = options.transaction ?? "each";
    // The pool drops and replaces such a connection; without a listener it would end the process.
    this.pool.on("error", (error) =>
      say(this.log, "WARN", "an idle connection to the database was lost", aboutFailure(error)),
    );
  }

  /** Handles one event at a time. What `handler` does through `tx` happens exactly once. */
  on<Schema extends StandardSchema, Asked = undefined>(
    eventType: string,
    eventVersion: number,
    registration: Registration<Schema, Asked>,
    handler: (tx: Transaction, event: Event<PayloadOf<Schema>, Asked>) => Promise<void> | void,
  ): this {
    const effects: Known["effects"] = async (client, events) => {
      for (const event of events) {
        const tx: Transaction = { client, emit: (...given) => emitFrom(client, event, ...given) };
        await handler(tx, event as Event<PayloadOf<Schema>, Asked>);
      }
    };
    return this.#add(eventType, eventVersion, { ...registration, effects }, handler);
  }

  /**
   * Handles all events of the type in a batch at once, for set-based SQL; a call of a single event makes a list of
   * one. Its transaction is `together`. When anything fails in that, it is called again with one event at a time.
   */
  onMany<Schema extends StandardSchema, Asked = undefined>(
    eventType: string,
    eventVersion: number,
    registration: Omit<Registration<Schema, Asked>, "transaction">,
    handler: (tx: ManyTransaction, events: readonly Event<PayloadOf<Schema>, Asked>[]) => Promise<void> | void,
  ): this {
    const effects: Known["effects"] = async (client, events) => {
      const tx: ManyTransaction = { client, emit: (cause, ...given) => emitFrom(client, cause, ...given) };
      await handler(tx, events as Event<PayloadOf<Schema>, Asked>[]);
    };
    return this.#add(eventType, eventVersion, { ...registration, transaction: "together", effects }, handler);
  }

  /** A known event with nothing to do: 200. One that is not known at all is 404, and comes again. */
  ignore(eventType: string, eventVersion: number): this {
    this.known.set(this.#newKind(eventType, eventVersion), null);
    return this;
  }

  #add<Schema extends StandardSchema, Asked>(
    eventType: string,
    eventVersion: number,
    registration: Registration<Schema, Asked> & Pick<Known, "effects">,
    handler: unknown,
  ): this {
    const kind = this.#newKind(eventType, eventVersion);
    if (registration.payload?.["~standard"]?.version !== 1) {
      throw new TypeError(
        `${eventType} version ${eventVersion}: payload must be a Standard Schema, such as zod's z.object({ … })`,
      );
    }
    if (typeof handler !== "function") {
      throw new TypeError(`${eventType} version ${eventVersion}: the handler must be a function`);
    }
    this.known.set(kind, {
      schema: registration.payload,
      transaction: registration.transaction ?? this.#transaction,
      ask: registration.ask as Known["ask"],
      effects: registration.effects,
    });
    return this;
  }

  #newKind(eventType: string, eventVersion: number): string {
    if (!/^[a-z][a-z0-9_]*$/.test(eventType) || !Number.isSafeInteger(eventVersion) || eventVersion < 1) {
      throw new TypeError(
        `${eventType} version ${eventVersion}: an event type is lower snake case, its version 1 or more`,
      );
    }
    const kind = kindOf({ eventType, eventVersion });
    if (this.known.has(kind)) throw new TypeError(`${eventType} version ${eventVersion} is registered twice`);
    return kind;
  }
}

/** Makes the handlers of a context; `on`, `onMany` and `ignore` say what it does about which event. */
export function createHandlers(options: HandlersOptions): Handlers {
  return new Handlers(options);
}

/** @internal What handlers are known by. */
export function kindOf(event: { readonly eventType: string; readonly eventVersion: number }): string {
  return `${event.eventType}/${event.eventVersion}`;
}

function emitFrom(
  client: PoolClient,
  cause: Event<unknown, unknown>,
  subject: string,
  payload: unknown,
  options: EmitOptions = {},
): Promise<string> {
  return emit(client, subject, payload, {
    ...options,
    correlationId: cause.correlationId,
    causationId: cause.messageId,
    ...(cause.traceparent === null ? {} : { traceparent: cause.traceparent }),
  });
}
