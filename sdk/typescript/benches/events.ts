/**
 * Events a second through the HTTP side with one INSERT as effect: singly, and in batches of 100 in both modes.
 *
 * npm run bench [EVENTS]; the handlers run in a process of their own, the calls come from this one.
 */

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

import pg from "pg";
import { z } from "zod";

import { atMost } from "../src/at-most.js";
import { createHandlers, createService } from "../src/index.js";
import { startContext, type Context } from "../test/kit.js";

const BATCH = 100;
const MODES = [
  { name: "singly, 25 calls at a time", version: 1, batch: 1, atOnce: 25 },
  { name: "batches of 100, each, 4 at a time", version: 1, batch: BATCH, atOnce: 4 },
  { name: "batches of 100, together, 4 at a time", version: 2, batch: BATCH, atOnce: 4 },
  { name: "batches of 100, many, 4 at a time", version: 3, batch: BATCH, atOnce: 4 },
] as const;

const SEED = `
  INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, attempts, fence,
                              stream, stream_created_at, stream_seq, headers, body, state, lane)
  SELECT gen_random_uuid(), 'kit__from_other', 'other.event.coin_thrown.v' || $2::integer, 'coin_thrown', $2::integer, 1, 1,
         'OTHER_EVENTS', '2026-01-01Z', n, '[]', '{}', 'running', 0
  FROM generate_series(1, $1::integer) AS n
  RETURNING message_id, consumer, subject, event_type, event_version, 1 AS attempt, 1 AS fence`;

function serve(databaseUrl: string): void {
  const payload = z.object({ coin_id: z.uuid(), value: z.number() });
  const insert = "INSERT INTO coins (coin_id, value) VALUES ($1, $2)";
  const handlers = createHandlers({ pool: new pg.Pool({ connectionString: databaseUrl, max: 16 }) })
    .on("coin_thrown", 1, { payload }, async ({ client }, event) => {
      await client.query(insert, [event.payload.coin_id, event.payload.value]);
    })
    .on("coin_thrown", 2, { payload, transaction: "together" }, async ({ client }, event) => {
      await client.query(insert, [event.payload.coin_id, event.payload.value]);
    })
    .onMany("coin_thrown", 3, { payload }, async ({ client }, events) => {
      const [ids, values] = [events.map((it) => it.payload.coin_id), events.map((it) => it.payload.value)];
      await client.query("INSERT INTO coins SELECT * FROM unnest($1::uuid[], $2::integer[])", [ids, values]);
    });
  const server = createServer(createService(handlers, { batch: { maxEvents: BATCH } }).listener);
  process.on("message", () => process.send?.(Object.values(process.cpuUsage()).reduce((sum, part) => sum + part)));
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
}

async function seed(context: Context, events: number, version: number): Promise<object[]> {
  const { rows } = await context.admin.query<{ message_id: string }>(SEED, [events, version]);
  return rows.map((row) => ({
    ...row,
    occurred_at: "2026-05-04T09:00:27.445Z",
    correlation_id: row.message_id,
    causation_id: null,
    aggregate_type: null,
    aggregate_id: null,
    traceparent: null,
    payload: { coin_id: row.message_id, value: 5 },
  }));
}

async function post(agent: Agent, port: number, path: string, body: string): Promise<number> {
  const sending = request({
    agent,
    port,
    path,
    host: "127.0.0.1",
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  sending.end(body);
  const [response] = (await once(sending, "response")) as [import("node:http").IncomingMessage];
  let text = "";
  for await (const part of response) text += String(part);
  const done = response.statusCode === 200 && (path === "/handle" || !/"status":(?!200)/.test(text));
  if (!done) throw new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 200)}`);
  return text.length;
}

/** The processor time that the handlers have taken, in microseconds. */
async function usedMicros(server: ChildProcess): Promise<number> {
  const said = once(server, "message");
  server.send("usage");
  return ((await said) as [number])[0];
}

async function measure(
  context: Context,
  server: ChildProcess,
  port: number,
  mode: (typeof MODES)[number],
  events: number,
): Promise<void> {
  const calls = await seed(context, events, mode.version);
  const bodies = Array.from({ length: Math.ceil(events / mode.batch) }, (_, index) =>
    JSON.stringify(mode.batch === 1 ? calls[index] : calls.slice(index * mode.batch, (index + 1) * mode.batch)),
  );
  const agent = new Agent({ keepAlive: true, maxSockets: mode.atOnce });
  const path = mode.batch === 1 ? "/handle" : "/handle/batch";
  const usedBefore = await usedMicros(server);
  const started = performance.now();
  await atMost(mode.atOnce, bodies, async (body) => void (await post(agent, port, path, body)));
  const secs = (performance.now() - started) / 1000;
  agent.destroy();
  const used = Math.round(((await usedMicros(server)) - usedBefore) / events);
  console.log(
    `${mode.name}: ${Math.round(events / secs)} events/s, ${used} µs of processor each (${events} in ${secs.toFixed(2)} s)`,
  );
}

async function bench(events: number): Promise<void> {
  const context = await startContext();
  const stdio = ["ignore", "ignore", "inherit", "ipc"] as const;
  const server: ChildProcess = fork(fileURLToPath(import.meta.url), ["serve", context.appUrl], { stdio: [...stdio] });
  try {
    const [port] = (await once(server, "message")) as [number];
    for (const mode of MODES) {
      await measure(context, server, port, mode, 500);
      await measure(context, server, port, mode, events);
    }
  } finally {
    server.kill();
    await context.stop();
  }
}

const [argument = "10000", databaseUrl] = process.argv.slice(2);
if (argument === "serve" && databaseUrl !== undefined) serve(databaseUrl);
else await bench(Number(argument));
