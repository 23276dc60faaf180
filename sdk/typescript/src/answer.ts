import { Poison, Retry } from "./errors.js";
import { NotCurrent, Unreachable, type Verdict } from "./refusals.js";

/** What the worker is told about one event: an HTTP status, why, and when to come again. */
export interface Answer {
  readonly status: number;
  readonly why: string;
  /** Whole seconds, or null for the worker's own growing wait. */
  readonly retryAfterSecs: number | null;
}

const LONGEST_WAIT_SECS = 900;
const LONGEST_ASKED_WAIT_SECS = 86_400;
const LONGEST_WHY = 800;

// What the outbox refuses in an emitted event. Its own words stay in the database: they may quote the event.
const OUTBOX_REFUSES: Readonly<Record<string, string>> = {
  MQ001: "an emitted event's subject is not {context}.event.{event_name}.v{version}",
  MQ002: "an emitted event's subject belongs to another context",
  MQ003: "an emitted event's aggregate cannot travel as a header",
  MQ004: "an emitted event's payload is too large for the broker",
  MQ005: "an emitted event's type or version contradicts its subject",
};

export const DONE = answer(200, "processed");
export const NOTHING_TO_DO = answer(200, "nothing to do");
const DONE_BEFORE = answer(409, "processed already");

/** An answer without a wait. */
export function answer(status: number, why: string, retryAfterSecs: number | null = null): Answer {
  return { status, why: why.length > LONGEST_WHY ? `${why.slice(0, LONGEST_WHY)}…` : why, retryAfterSecs };
}

/** 404, never 422: a consumer deployed before its handler loses nothing. */
export function notHandled(eventType: string, eventVersion: number): Answer {
  return answer(404, `no handler for ${eventType} version ${eventVersion}; deploy one that has it`);
}

/** What `inbox_begin` said about an attempt that may not run. Only `done` is 409: that settles the event. */
export function notCurrent(verdict: Exclude<Verdict, "run">): Answer {
  return verdict === "done" ? DONE_BEFORE : answer(503, `this attempt is ${verdict}`);
}

/**
 * What a failure means for the worker, after everything was rolled back. Says nothing of a payload, nor the database's
 * words.
 */
export function answerTo(error: unknown, attempt: number): Answer {
  if (error instanceof Poison) return answer(422, error.message);
  if (error instanceof Retry) return retry(error, attempt);
  if (error instanceof Unreachable) return busy(error.message, attempt);
  if (error instanceof NotCurrent) return notCurrent(error.verdict);
  const state = sqlState(error);
  if (state !== null) return refused(state, attempt);
  return answer(500, `the handler failed (${nameOf(error)}); see its log`);
}

/** The SQLSTATE of an error of the database, or null for any other error. */
export function sqlState(error: unknown): string | null {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && typeof severity === "string" ? code : null;
}

/** The type of what was thrown. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}

function retry(error: Retry, attempt: number): Answer {
  if (error.afterSecs === null) return busy(error.message, attempt);
  return answer(503, error.message, Math.min(Math.ceil(error.afterSecs), LONGEST_ASKED_WAIT_SECS));
}

function busy(why: string, attempt: number): Answer {
  return answer(503, why, Math.min(2 ** Math.min(attempt - 1, 10), LONGEST_WAIT_SECS));
}

function refused(state: string, attempt: number): Answer {
  if (/^(08|53|57P)/.test(state)) return busy(`the database is not available (SQLSTATE ${state})`, attempt);
  if (["40001", "40P01", "55P03", "57014"].includes(state)) {
    return answer(503, `the database gave way to others (SQLSTATE ${state})`);
  }
  const why = OUTBOX_REFUSES[state] ?? "the database refused";
  return answer(500, `${why} (SQLSTATE ${state}); see the handler's log`);
}
