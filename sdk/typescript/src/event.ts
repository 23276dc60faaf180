/**
 * An event, as a handler gets it.
 *
 * `payload` is what the registration's schema made of the parsed JSON. It was parsed by JSON.parse: a number beyond
 * what a double holds is rounded, so such a number belongs into a string.
 */
export interface Event<Payload = unknown, Asked = undefined> {
  /** The producer's id of the event: effects elsewhere are keyed by it. */
  readonly messageId: string;
  readonly subject: string;
  readonly eventType: string;
  readonly eventVersion: number;
  readonly occurredAt: Date | null;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly aggregateType: string | null;
  readonly aggregateId: string | null;
  readonly consumer: string;
  /** Counts from 1, and anew after a redrive. */
  readonly attempt: number;
  /** Rises with every attempt. */
  readonly fence: number;
  /** The W3C trace context of the call, when it has a valid one. */
  readonly traceparent: string | null;
  readonly payload: Payload;
  /** What the registration's `ask` returned; undefined without one. */
  readonly asked: Asked;
}

/** The body is no call of a worker: 400. The text names fields, and shows no value. */
export class NotACall extends Error {
  override readonly name: string = "NotACall";
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
// Version 00, and what later versions may add.
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[\x20-\x7e]{0,100})?$/;

/** The text when it is a trace context; anything else does not travel on. */
export function validTraceparent(text: unknown): string | null {
  return typeof text === "string" && TRACEPARENT.test(text) ? text : null;
}

/** Reads one call object. What a newer worker says beside it is ignored. Throws NotACall. */
export function readCall(value: unknown, traceparent: unknown): Event {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new NotACall("a call is an object");
  const call = new Fields(value as Record<string, unknown>);
  const event: Event = {
    messageId: call.uuid("message_id"),
    subject: call.text("subject"),
    eventType: call.text("event_type"),
    eventVersion: call.whole("event_version", 0),
    occurredAt: call.optional("occurred_at", (name) => call.time(name)),
    correlationId: call.uuid("correlation_id"),
    causationId: call.optional("causation_id", (name) => call.uuid(name)),
    aggregateType: call.optional("aggregate_type", (name) => call.text(name)),
    aggregateId: call.optional("aggregate_id", (name) => call.text(name)),
    consumer: call.text("consumer"),
    attempt: call.whole("attempt", 1),
    fence: call.whole("fence", 0),
    traceparent: validTraceparent(traceparent),
    payload: call.present("payload"),
    asked: undefined,
  };
  call.end();
  return event;
}

/** The fields of a call; what is wrong with them is told all at once. */
class Fields {
  readonly #fields: Record<string, unknown>;
  readonly #wrong: string[] = [];

  constructor(fields: Record<string, unknown>) {
    this.#fields = fields;
  }

  text(name: string): string {
    const value = this.#fields[name];
    // A null character ends a statement's text on its way to the database.
    return this.#must(name, "a text", typeof value === "string" && !value.includes("\0"), value as string);
  }

  uuid(name: string): string {
    const value = this.#fields[name];
    const right = typeof value === "string" && UUID.test(value);
    // As the database writes and orders them.
    return this.#must(name, "a UUID", right, right ? value.toLowerCase() : "");
  }

  whole(name: string, least: number): number {
    const value = this.#fields[name];
    const right = typeof value === "number" && Number.isSafeInteger(value) && value >= least;
    return this.#must(name, `a whole number, ${least} or more`, right, value as number);
  }

  time(name: string): Date {
    const value = this.#fields[name];
    const time = new Date(typeof value === "string" ? value : Number.NaN);
    return this.#must(name, "a time of RFC 3339", !Number.isNaN(time.getTime()), time);
  }

  optional<T>(name: string, read: (name: string) => T): T | null {
    return this.#fields[name] === null || this.#fields[name] === undefined ? null : read(name);
  }

  present(name: string): unknown {
    return this.#must(name, "there", name in this.#fields, this.#fields[name]);
  }

  end(): void {
    if (this.#wrong.length > 0) throw new NotACall(this.#wrong.join("; "));
  }

  #must<T>(name: string, what: string, right: boolean, value: T): T {
    if (!right) this.#wrong.push(`${name}: must be ${what}`);
    return value;
  }
}
