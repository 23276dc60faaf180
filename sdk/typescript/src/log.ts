import type { Event } from "./event.js";
import { nameOf, sqlState } from "./answer.js";

/**
 * One line of the log. Never holds a payload, nor an error's own text: databases and parsers quote what they refuse.
 */
export interface LogLine {
  readonly timestamp: string;
  readonly level: "INFO" | "WARN" | "ERROR";
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Where lines go. What it throws is ignored: an event does not fail because of its log line. */
export type Log = (line: LogLine) => void;

const FRAMES = 4;

/** One line of JSON on standard output. */
export function logToStdout(line: LogLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Logs a line now. */
export function say(log: Log, level: LogLine["level"], message: string, fields: object = {}): void {
  try {
    log({ timestamp: new Date().toISOString(), level, message, ...fields });
  } catch {
    // See Log.
  }
}

/** The fields by which a line about an event is found again. */
export function aboutEvent(event: Event<unknown, unknown>): object {
  return {
    message_id: event.messageId,
    correlation_id: event.correlationId,
    consumer: event.consumer,
    attempt: event.attempt,
    event_type: event.eventType,
    event_version: event.eventVersion,
  };
}

/** What failed and where, without its text. */
export function aboutFailure(error: unknown): object {
  const { table, constraint } = (error ?? {}) as { table?: unknown; constraint?: unknown };
  const state = sqlState(error);
  const cause = error instanceof Error && error.cause !== undefined ? { cause: codeOf(error.cause) } : {};
  return {
    error: nameOf(error),
    at: framesOf(error),
    ...cause,
    ...(state === null ? {} : { sqlstate: state, table, constraint }),
  };
}

/** A system's code such as ECONNREFUSED says more than the type, and quotes nothing. */
function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : nameOf(error);
}

function framesOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || typeof error.stack !== "string") return undefined;
  // The stack begins with the text, and a line of that may look like a frame.
  const start = error.stack.indexOf(error.message);
  if (start < 0) return undefined;
  const frames = error.stack.slice(start + error.message.length).matchAll(/^ +at .*?([^/\\() ]+:\d+):\d+\)?$/gm);
  return [...frames]
    .slice(0, FRAMES)
    .map((frame) => frame[1])
    .join(" < ");
}
