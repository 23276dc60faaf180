import type { IncomingMessage, ServerResponse } from "node:http";

import { answer, type Answer } from "./answer.js";
import { jsonOf, readBody } from "./body.js";
import { NotACall, readCall, type Event } from "./event.js";
import { handle } from "./handle.js";
import type { Handlers, Known } from "./handlers.js";
import { whyNotReady } from "./health.js";
import { say } from "./log.js";
import { fetchOf, listenerOf, type Incoming, type Outgoing } from "./mount.js";
import { keysOf, secretsFrom } from "./secrets.js";
import { whyRefused } from "./signature.js";

/** Settings of the HTTP side. */
export interface ServiceOptions {
  /** The path of the worker's HANDLER_URL; `/handle` by default. */
  readonly path?: string;
  /** Lets the worker send several events in one call, at most this many. Without it there are single calls only. */
  readonly batch?: { readonly maxEvents: number };
  /**
   * Whose signature a request of the worker needs, each `whsec_` and base64; any one is enough. By default what
   * HANDLER_SECRET or HANDLER_SECRET_FILE says; an empty list takes unsigned requests whatever they say.
   */
  readonly secrets?: readonly string[];
  /** Tables (`table`) and columns (`table.column`) without which the handlers are not ready. */
  readonly ready?: readonly string[];
}

/** The HTTP side of a context's handlers, to be mounted in a server. */
export interface Service {
  /** For servers of the Request and Response shape, such as Hono. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** For Node's own server, and through it for Express and Fastify. No body parser may run before it. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
}

// The broker takes events of 1 MiB by default, and as JSON the call says a little more.
const LARGEST_CALL_BYTES = 16 * 1024 * 1024;
const LARGEST_BATCH_BYTES = 64 * 1024 * 1024;
const LARGEST_LOOK_BYTES = 64 * 1024;

type Route = { readonly method: "GET" | "POST"; readonly signed: boolean; readonly limit: number; readonly run: Run };
type Run = (body: Buffer, request: Incoming) => Promise<Outgoing>;

/**
 * Makes the HTTP side of the handlers: `POST {path}`, `POST {path}/batch`, `GET {path}/capabilities`,
 * `GET /health/live` and `GET /health/ready`. Throws TypeError when a setting makes no sense.
 */
export function createService(handlers: Handlers, options: ServiceOptions = {}): Service {
  const routes = routesOf(handlers, options);
  const keys = keysOf(options.secrets ?? secretsFrom(process.env));
  const respond = async (request: Incoming): Promise<Outgoing> => {
    const route = routes.get(request.path);
    if (route === undefined) return text(answer(404, "nothing is here"));
    const method = request.method === "HEAD" ? "GET" : request.method;
    if (method !== route.method)
      return { ...text(answer(405, `use ${route.method}`)), headers: { allow: route.method } };
    const body = await readBody(request.parts, route.limit);
    if (body === null) return text(answer(413, `at most ${route.limit} bytes are taken`));
    const refused = route.signed && keys.length > 0 ? refusedBy(keys, request, body) : null;
    if (refused !== null) {
      say(handlers.log, "WARN", `a request was refused: ${refused}`, { path: request.path });
      return text(answer(401, refused));
    }
    return route.run(body, request);
  };
  return { fetch: fetchOf(respond), listener: listenerOf(respond, handlers.log) };
}

function routesOf(handlers: Handlers, options: ServiceOptions): Map<string, Route> {
  const { path = "/handle", batch, ready = [] } = options;
  if (!/^(\/[^/?#]+)+$/.test(path)) throw new TypeError("path: must begin with / and not end with it, such as /handle");
  const calls = { method: "POST", signed: true } as const;
  const looks = { method: "GET", limit: LARGEST_LOOK_BYTES } as const;
  const routes = new Map<string, Route>([
    [path, { ...calls, limit: LARGEST_CALL_BYTES, run: single(handlers) }],
    [`${path}/capabilities`, { ...looks, signed: true, run: async () => json(200, capabilities(handlers, batch)) }],
    ["/health/live", { ...looks, signed: false, run: async () => json(200, { status: "live" }) }],
    ["/health/ready", { ...looks, signed: false, run: () => readiness(handlers, ready) }],
  ]);
  if (batch !== undefined) {
    const { maxEvents } = batch;
    if (!Number.isSafeInteger(maxEvents) || maxEvents < 1) throw new TypeError("batch.maxEvents: must be 1 or more");
    routes.set(`${path}/batch`, { ...calls, limit: LARGEST_BATCH_BYTES, run: several(handlers, maxEvents) });
  }
  return routes;
}

function single(handlers: Handlers): Run {
  return async (body, request) => {
    const event = read(() => readCall(jsonOf(body), request.header("traceparent")));
    if (typeof event === "string") return text(answer(400, `this is no call of a worker: ${event}`));
    const [given] = await handle(handlers, [event]);
    return text(given ?? answer(500, "no answer"));
  };
}

function several(handlers: Handlers, maxEvents: number): Run {
  return async (body) => {
    const events = read(() => readBatch(jsonOf(body), maxEvents));
    if (typeof events === "string") return text(answer(400, `this is no batch of a worker: ${events}`));
    const answers = await handle(handlers, events);
    return json(
      200,
      answers.map(({ status, why, retryAfterSecs }) => ({ status, why, retry_after: retryAfterSecs })),
    );
  };
}

function readBatch(value: unknown, maxEvents: number): Event[] {
  if (!Array.isArray(value) || value.length === 0) throw new NotACall("it must be an array of calls, and not empty");
  if (value.length > maxEvents) throw new NotACall(`it has ${value.length} events, at most ${maxEvents} are taken`);
  return value.map((call: unknown) => readCall(call, (call as { traceparent?: unknown } | null)?.traceparent));
}

/** What was read, or why it cannot be: without a parser's own words, which quote what it could not read. */
function read<T extends object>(reading: () => T): T | string {
  try {
    return reading();
  } catch (error) {
    return error instanceof NotACall ? error.message : "it is not JSON";
  }
}

function capabilities(handlers: Handlers, batch: ServiceOptions["batch"]): object {
  const reactions = [...handlers.known].filter((entry): entry is [string, Known] => entry[1] !== null);
  const events = reactions.map(([kind]) => {
    const [eventType, eventVersion] = kind.split("/");
    return { event_type: eventType, event_version: Number(eventVersion) };
  });
  return { contract: 1, batch: batch === undefined ? null : { max_events: batch.maxEvents }, events };
}

async function readiness(handlers: Handlers, needs: readonly string[]): Promise<Outgoing> {
  const why = await whyNotReady(handlers.pool, needs, handlers.log);
  return why === null ? json(200, { status: "ready" }) : json(503, { status: "not ready", why });
}

function refusedBy(keys: readonly Buffer[], request: Incoming, body: Buffer): string | null {
  const signed = {
    id: request.header("webhook-id"),
    timestamp: request.header("webhook-timestamp"),
    signature: request.header("webhook-signature"),
  };
  return whyRefused(keys, signed, body, Math.floor(Date.now() / 1000));
}

function text({ status, why, retryAfterSecs }: Answer): Outgoing {
  const headers = retryAfterSecs === null ? {} : { "retry-after": String(retryAfterSecs) };
  return { status, headers, type: "text/plain; charset=utf-8", body: why };
}

function json(status: number, body: unknown): Outgoing {
  return { status, headers: {}, type: "application/json", body: JSON.stringify(body) };
}
