import type { IncomingMessage, ServerResponse } from "node:http";

import type { Parts } from "./body.js";
import { aboutFailure, say, type Log } from "./log.js";

/** A request, whichever server has it. */
export interface Incoming {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** By a name in lower case. */
  readonly header: (name: string) => string | null;
  readonly parts: Parts;
}

/** What is answered. */
export interface Outgoing {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly type: string;
  readonly body: string;
}

type Respond = (request: Incoming) => Promise<Outgoing>;

/** The shape of Request and Response. */
export function fetchOf(respond: Respond): (request: Request) => Promise<Response> {
  return async (request) => {
    const { status, headers, type, body } = await respond({
      method: request.method,
      path: new URL(request.url).pathname,
      header: (name) => request.headers.get(name),
      parts: request.body ?? nothing(),
    });
    return new Response(body, { status, headers: { ...headers, "content-type": type } });
  };
}

/** The shape of Node's own server. */
export function listenerOf(respond: Respond, log: Log): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    answerOver(respond, request, response).catch((error: unknown) => {
      // Whoever called is gone in the middle of it, or had its body read by somebody else.
      say(log, "WARN", "a request could not be answered", aboutFailure(error));
      response.destroy();
    });
  };
}

async function answerOver(respond: Respond, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, headers, type, body } = wasRead(request) ? READ_BEFORE : await respond(incoming(request));
  response.writeHead(status, { ...headers, "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function incoming(request: IncomingMessage): Incoming {
  // Express cuts off where a router is mounted, and keeps the whole beside it.
  const { originalUrl = request.url ?? "/" } = request as { originalUrl?: string };
  return {
    method: request.method ?? "",
    path: originalUrl.replace(/[?#].*$/s, ""),
    header: (name) => request.headers[name]?.toString() ?? null,
    parts: request,
  };
}

function wasRead(request: IncomingMessage): boolean {
  const sent = request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  return sent && request.readableDidRead;
}

const READ_BEFORE: Outgoing = {
  status: 500,
  headers: {},
  type: "text/plain; charset=utf-8",
  body: "a body parser has read the request before the handlers: mount them ahead of it",
};

async function* nothing(): Parts {}
