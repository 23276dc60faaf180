import { answer, answerTo, DONE, NOTHING_TO_DO, notCurrent, notHandled, type Answer } from "./answer.js";
import { atMost } from "./at-most.js";
import { Poison, Retry } from "./errors.js";
import type { Event } from "./event.js";
import { kindOf, type Handlers, type Known } from "./handlers.js";
import { check, joined, type Attempt } from "./inbox.js";
import { aboutEvent, aboutFailure, say } from "./log.js";
import { NoConnection, type Verdict } from "./refusals.js";
import { problems } from "./schema.js";

/** Events of a batch that ask, or that have a transaction of their own, at the same time. */
const AT_ONCE = 8;

/** An event on its way: its answer, once there is one; until then what is to be done about it. */
interface Item extends Attempt {
  readonly known: Known | null | undefined;
  event: Event<unknown, unknown>;
  answer: Answer | null;
  /** What failed, when it was no answer that the handler chose. */
  failure: unknown;
}

/**
 * Handles the events of one call, one or a batch, and returns an answer for each, in their order.
 *
 * Each that is done takes effect exactly once and is told in one log line. Rejects never.
 */
export async function handle(handlers: Handlers, events: readonly Event[]): Promise<Answer[]> {
  const started = performance.now();
  const items = events.map((event) => itemOf(handlers, event));
  await Promise.all(items.filter(isOpen).map((item) => settling(item, () => validate(item))));
  await ask(handlers, items.filter(isOpen));
  await act(handlers, items.filter(isOpen));
  const tookMs = Math.round((performance.now() - started) * 10) / 10;
  return items.map((item) => told(handlers, item, tookMs, items.length));
}

function itemOf(handlers: Handlers, event: Event): Item {
  const known = handlers.known.get(kindOf(event));
  const { messageId, consumer, fence } = event;
  const answer =
    known === undefined ? notHandled(event.eventType, event.eventVersion) : known === null ? NOTHING_TO_DO : null;
  return { messageId, consumer, fence, known, event, answer, failure: null };
}

function isOpen(item: Item): item is Item & { readonly known: Known } {
  return item.answer === null;
}

type Open = Item & { readonly known: Known };

async function validate(item: Open): Promise<void> {
  const { validate, vendor } = item.known.schema["~standard"];
  const result = await validate(item.event.payload);
  if (result.issues) throw new Poison(problems(vendor, result.issues));
  item.event = { ...item.event, payload: result.value };
}

/** What the events ask before their transaction, and only when they may run. */
async function ask(handlers: Handlers, items: readonly Open[]): Promise<void> {
  const asking = items.filter((item) => item.known.ask !== undefined);
  if (asking.length === 0) return;
  await settlingAll(asking, async () => settleRefused(asking, await check(handlers.pool, asking)));
  await atMost(AT_ONCE, asking.filter(isOpen), (item) =>
    settling(item, async () => {
      item.event = { ...item.event, asked: await item.known.ask?.(item.event as Event) };
    }),
  );
}

async function act(handlers: Handlers, items: readonly Open[]): Promise<void> {
  const sharing = items.filter((item) => item.known.transaction === "together");
  const each = items.filter((item) => item.known.transaction === "each");
  if (sharing.length < 2) return actEach(handlers, items);
  await Promise.all([actTogether(handlers, sharing), actEach(handlers, each)]);
}

async function actEach(handlers: Handlers, items: readonly Open[]): Promise<void> {
  let unreachable: NoConnection | null = null;
  await atMost(AT_ONCE, items, (item) =>
    settling(item, async () => {
      // Each would wait for a connection in vain, and the call would take longer than the worker waits.
      if (unreachable !== null) throw unreachable;
      try {
        await transact(handlers, [item]);
      } catch (error) {
        if (error instanceof NoConnection) unreachable = error;
        throw error;
      }
    }),
  );
}

async function actTogether(handlers: Handlers, items: readonly Open[]): Promise<void> {
  try {
    await transact(handlers, items);
  } catch (error) {
    if (error instanceof NoConnection) return settlingAll(items, () => Promise.reject(error));
    const why = `${items.length} events in one transaction were rolled back; they run one by one`;
    say(handlers.log, "WARN", why, aboutFailure(error));
    await actEach(handlers, items);
  }
}

/** One transaction for all of the items, with the handlers' effects, their events and the marks. */
async function transact(handlers: Handlers, items: readonly Open[]): Promise<void> {
  const begun = await joined(handlers.pool, items, async (client, current) => {
    for (const known of new Set(current.map((item) => item.known))) {
      const events = current.filter((item) => item.known === known).map((item) => item.event);
      await known.effects(client, events);
    }
  });
  settleRefused(items, begun);
  for (const item of items) item.answer ??= DONE;
}

function settleRefused(items: readonly Item[], verdicts: readonly Verdict[]): void {
  items.forEach((item, index) => {
    const verdict = verdicts[index] ?? "unknown";
    if (verdict !== "run") item.answer = notCurrent(verdict);
  });
}

/** Runs a step of one event; a failure becomes its answer. */
async function settling(item: Item, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    item.answer = answerTo(error, item.event.attempt);
    if (!(error instanceof Poison || error instanceof Retry)) item.failure = error;
  }
}

/** Runs a step of several events; a failure becomes the answer of each. */
async function settlingAll(items: readonly Item[], step: () => Promise<void>): Promise<void> {
  const done = step();
  await Promise.all(items.map((item) => settling(item, () => done)));
}

function told(handlers: Handlers, item: Item, tookMs: number, batch: number): Answer {
  const given = item.answer ?? answer(500, "the event has no answer; see the handler's log");
  const level = given.status === 200 || given.status === 409 ? "INFO" : given.status === 500 ? "ERROR" : "WARN";
  const fields = { ...aboutEvent(item.event), status: given.status, took_ms: tookMs, ...(batch > 1 ? { batch } : {}) };
  const failure = item.failure === null ? {} : aboutFailure(item.failure);
  say(handlers.log, level, given.why, { ...fields, ...failure });
  return given;
}
