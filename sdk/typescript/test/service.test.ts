/** The HTTP side: routes, sizes, signatures, health, capabilities, and the ways to mount it. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { serve as serveHono } from "@hono/node-server";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import type { Server } from "node:http";
import pg from "pg";

import { createHandlers, createService, type LogLine, type ServiceOptions } from "../src/index.js";
import { sign } from "../src/signature.js";
import { keysOf } from "../src/secrets.js";
import { openCalls, type Call, type Calls } from "../src/testing.js";
import { coins, kept, Mint } from "./coins.js";
import { Socket, startContext, type Context } from "./kit.js";

const MIB = 1024 * 1024;
const SECRETS = [`whsec_${Buffer.alloc(24, 1).toString("base64")}`, `whsec_${Buffer.alloc(64, 2).toString("base64")}`];

describe("the service", () => {
  let context: Context;
  let pool: pg.Pool;
  let calls: Calls;
  const lines: LogLine[] = [];
  const log = (line: LogLine): number => lines.push(line);
  const handlers = (): ReturnType<typeof coins> => coins({ pool, log }, new Mint());
  const service = (options: ServiceOptions = {}): ReturnType<typeof createService> =>
    createService(handlers(), options);

  before(async () => {
    context = await startContext();
    // Each of the services below listens for its lost connections.
    pool = new pg.Pool({ connectionString: context.appUrl }).setMaxListeners(0);
    calls = await openCalls(handlers(), { databaseUrl: context.workerUrl });
  });
  after(async () => {
    await calls.close();
    await pool.end();
    await context.stop();
  });

  const thrown = (version = 1, payload: object = {}): Promise<Call> =>
    calls.attempt(`other.event.coin_thrown.v${version}`, { coin_id: randomUUID(), value: 5, ...payload });

  async function listening(options: ServiceOptions, use: (socket: Socket) => Promise<void>): Promise<void> {
    const socket = await Socket.listen(service(options).listener);
    try {
      await use(socket);
    } finally {
      await socket.close();
    }
  }

  async function assertMounted(socket: Socket): Promise<void> {
    const call = await thrown();
    const trace = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`;
    const answer = await socket.post("/handle", call, { traceparent: trace });
    assert.deepEqual([answer.status, answer.text], [200, "processed"]);
    assert.equal((await calls.emitted(call))[0]?.trace_id, trace);
    assert.equal((await socket.post("/handle", call)).status, 409);
    const away = await socket.post("/handle", await thrown(6));
    assert.deepEqual([away.status, away.headers.get("retry-after")], [503, "42"]);
    const batch = await socket.post("/handle/batch", [await thrown(), { ...(await thrown()), traceparent: trace }]);
    assert.deepEqual([batch.status, JSON.parse(batch.text).length], [200, 2]);
    assert.equal((await socket.get("/handle/capabilities?x=1")).status, 200);
    assert.equal((await socket.get("/health/live")).status, 200);
    assert.equal((await socket.get("/health/ready")).status, 200);
    assert.equal((await socket.get("/elsewhere")).status, 404);
    await socket.close();
  }

  const batch = { maxEvents: 100 };

  test("on Node's own server", async () => assertMounted(await Socket.listen(service({ batch }).listener)));

  test("in Hono", async () => {
    const { fetch } = service({ batch });
    const app = new Hono();
    app.all("/handle/*", (c) => fetch(c.req.raw)).all("/health/*", (c) => fetch(c.req.raw));
    const server = await new Promise<Server>((resolve) => {
      const starting = serveHono({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () =>
        resolve(starting as Server),
      );
    });
    await assertMounted(await Socket.of(server));
  });

  test("in Express, ahead of its body parsers", async () => {
    const { listener } = service({ batch });
    const app = express();
    app.use(["/handle", "/health"], listener);
    app.use(express.json());
    await assertMounted(await Socket.listen(app));
  });

  test("in Express, behind a body parser: told what is wrong", async () => {
    const app = express();
    app.use(express.json(), service({ batch }).listener);
    const socket = await Socket.listen(app);
    const answer = await socket.post("/handle", await thrown());
    assert.equal(answer.status, 500);
    assert.match(answer.text, /a body parser has read the request/);
    await socket.close();
  });

  test("in Fastify", async () => {
    const { listener } = service({ batch });
    const app = fastify();
    app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
      const hand = async (
        request: { raw: Parameters<typeof listener>[0] },
        reply: { hijack: () => void; raw: Parameters<typeof listener>[1] },
      ): Promise<void> => {
        reply.hijack();
        listener(request.raw, reply.raw);
      };
      for (const url of ["/handle", "/handle/*", "/health/*"]) scope.all(url, hand);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    await assertMounted(await Socket.of(app.server));
    await app.close();
  });

  test("a call that is none is 400, and shows nothing of it", () =>
    listening({ batch }, async (socket) => {
      const call = await thrown();
      const bodies = [
        "",
        "{",
        "[]",
        "null",
        '"secret"',
        { message_id: "secret" },
        { ...call, attempt: 0 },
        { ...call, fence: "secret" },
      ];
      bodies.push(
        { ...call, consumer: "se\0cret" },
        { ...call, occurred_at: "secret" },
        { ...call, payload: undefined },
      );
      for (const body of [...bodies, Buffer.from([0x22, 0xff, 0x22])]) {
        const answer = await socket.post("/handle", body);
        assert.equal(answer.status, 400, String(body));
        assert.ok(!answer.text.includes("secret") && !answer.text.includes("cret"), answer.text);
      }
      const named = await socket.post("/handle", { ...call, message_id: "secret", attempt: 1.5 });
      assert.equal(
        named.text,
        "this is no call of a worker: message_id: must be a UUID; attempt: must be a whole number, 1 or more",
      );
    }));

  test("a batch that is none is 400", () =>
    listening({ batch: { maxEvents: 2 } }, async (socket) => {
      const call = await thrown();
      for (const body of ["", "{}", "[]", [call, call, call], "[1"]) {
        assert.equal((await socket.post("/handle/batch", body)).status, 400, JSON.stringify(body));
      }
    }));

  test("a batch answers item by item", () =>
    listening({ batch }, async (socket) => {
      const sent = [await thrown(), await thrown(5), await thrown(6), await thrown(99)];
      const answer = await socket.post("/handle/batch", sent);
      assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "application/json"]);
      assert.deepEqual(JSON.parse(answer.text), [
        { status: 200, why: "processed", retry_after: null },
        { status: 422, why: "this coin is no good", retry_after: null },
        { status: 503, why: "the till is closed", retry_after: 42 },
        { status: 404, why: "no handler for coin_thrown version 99; deploy one that has it", retry_after: null },
      ]);
    }));

  test("a payload that does not validate is 422 with its fields, without its values", () =>
    listening({}, async (socket) => {
      const answer = await socket.post("/handle", await thrown(1, { coin_id: "secret", value: "secret" }));
      assert.equal(answer.status, 422);
      assert.equal(answer.text, "coin_id: Invalid UUID; value: Invalid input: expected number, received string");
    }));

  test("too many bytes are 413", () =>
    listening({ batch }, async (socket) => {
      for (const [path, mib] of [
        ["/handle", 16],
        ["/handle/batch", 64],
      ] as const) {
        const spaces = Buffer.alloc(mib * MIB + 1, " ");
        assert.equal((await socket.post(path, spaces)).status, 413, path);
        assert.equal((await socket.post(path, spaces.subarray(1))).status, 400, path);
      }
      const { fetch } = service({ batch });
      const body = Buffer.alloc(16 * MIB + 1, " ");
      assert.equal((await fetch(new Request("http://kit/handle", { method: "POST", body }))).status, 413);
    }));

  test("capabilities: what there are reactions for, and how large a batch may be", async () => {
    const known = createHandlers({ pool, log }).ignore("coin_lost", 1);
    const without = await createService(known).fetch(new Request("http://kit/handle/capabilities"));
    assert.deepEqual(await without.json(), { contract: 1, batch: null, events: [] });
    const { fetch } = createService(handlers(), { path: "/in/events", batch: { maxEvents: 7 } });
    const said = await (await fetch(new Request("http://kit/in/events/capabilities"))).json();
    const events = Array.from({ length: 10 }, (_, index) => ({ event_type: "coin_thrown", event_version: index + 1 }));
    assert.deepEqual(said, { contract: 1, batch: { max_events: 7 }, events });
  });

  test("without batches there is none, and a wrong method is told the right one", () =>
    listening({}, async (socket) => {
      assert.equal((await socket.post("/handle/batch", [await thrown()])).status, 404);
      const wrong = await socket.get("/handle");
      assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
    }));

  test("with secrets only what one of them signed is taken, before it is parsed", () =>
    listening({ batch, secrets: SECRETS }, async (socket) => {
      const now = Math.floor(Date.now() / 1000);
      const signed = (body: string, secret: number | string, at = now): Record<string, string> => {
        const [key] = keysOf([typeof secret === "string" ? secret : (SECRETS[secret] ?? assert.fail())]);
        const signature = sign(key ?? assert.fail(), "msg_1", String(at), Buffer.from(body));
        return { "webhook-id": "msg_1", "webhook-timestamp": String(at), "webhook-signature": signature };
      };
      const stranger = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
      const call = await thrown();
      const body = JSON.stringify(call);
      const refused = [
        {},
        signed(body, stranger),
        signed(`${body} `, 0),
        signed(body, 0, now - 310),
        signed(body, 0, now + 310),
      ];
      refused.push({ ...signed(body, 0), "webhook-id": "msg_2" }, { ...signed(body, 0), "webhook-timestamp": "soon" });
      for (const headers of refused)
        assert.equal((await socket.post("/handle", body, headers)).status, 401, JSON.stringify(headers));
      assert.deepEqual((await calls.inbox(call)).state, "running");
      assert.equal((await socket.post("/handle", "{", signed("", 0))).status, 401);
      assert.equal((await socket.post("/handle", "{", signed("{", 0))).status, 400);
      const several = signed(body, 1);
      several["webhook-signature"] =
        `v1a,AAAA ${signed(body, stranger)["webhook-signature"]} ${several["webhook-signature"]}`;
      assert.equal((await socket.post("/handle", body, several)).status, 200);
      assert.equal((await socket.post("/handle", body, signed(body, 0, now - 290))).status, 409);
      assert.equal((await socket.post("/handle/batch", `[${body}]`)).status, 401);
      assert.equal((await socket.post("/handle/batch", `[${body}]`, signed(`[${body}]`, 0))).status, 200);
      assert.equal((await socket.get("/handle/capabilities")).status, 401);
      assert.equal((await socket.get("/handle/capabilities", signed("", 0))).status, 200);
      assert.equal((await socket.get("/health/ready")).status, 200);
    }));

  test("the environment's secrets are kept, unless the options say otherwise", async (t) => {
    process.env["HANDLER_SECRET"] = SECRETS.join(" ");
    t.after(() => delete process.env["HANDLER_SECRET"]);
    const look = (): Request => new Request("http://kit/handle/capabilities");
    assert.equal((await service().fetch(look())).status, 401);
    assert.equal((await service({ secrets: [] }).fetch(look())).status, 200);
    process.env["HANDLER_SECRET"] = "secret";
    assert.throws(() => service(), /secret 1 of 1: must be/);
  });

  test("health: live without a database, ready with it and what is needed", async () => {
    const gone = new pg.Pool({ connectionString: "postgres://nobody:secret@127.0.0.1:1/none" });
    const ask = async (from: pg.Pool, path: string, ready: string[] = []): Promise<[number, string]> => {
      const { fetch } = createService(createHandlers({ pool: from, log }), { ready });
      const response = await fetch(new Request(`http://kit${path}`));
      return [response.status, ((await response.json()) as { why?: string }).why ?? ""];
    };
    assert.deepEqual(await ask(pool, "/health/ready", ["coins", "coins.value"]), [200, ""]);
    const missing = ["coins", "coins.value", "coins.colour", "notes", "notes.text"];
    const why = "there is no coins.colour, notes, notes.text; run the context's migrations";
    assert.deepEqual(await ask(pool, "/health/ready", missing), [503, why]);
    assert.deepEqual(await ask(gone, "/health/live"), [200, ""]);
    assert.deepEqual(await ask(gone, "/health/ready"), [
      503,
      "the database cannot be reached; check its URL and see the log",
    ]);
    const bare = new pg.Pool({ connectionString: context.appUrl });
    bare.on("connect", (client) => client.query("SET search_path = pg_catalog").catch(() => {}));
    const unprovisioned = "sea-mq's functions cannot be called (SQLSTATE 42883); run `sea-mq db provision`";
    assert.deepEqual(await ask(bare, "/health/ready"), [503, unprovisioned]);
    await bare.end();
  });

  test("eight calls of one event over the socket take effect once", () =>
    listening({ batch }, async (socket) => {
      const call = await thrown();
      const answers = await Promise.all(Array.from({ length: 8 }, () => socket.post("/handle", call)));
      assert.equal(answers.filter((it) => it.status === 200).length, 1);
      assert.equal(await kept(context.admin, (call.payload as { coin_id: string }).coin_id), 1);
    }));

  test("a setting that makes no sense is refused at once", () => {
    const refused: ReadonlyArray<readonly [ServiceOptions, RegExp]> = [
      [{ path: "handle" }, /path: must begin with \//],
      [{ path: "/handle/" }, /path/],
      [{ batch: { maxEvents: 0 } }, /batch.maxEvents: must be 1 or more/],
      [{ secrets: ["secret"] }, /secret 1 of 1: must be `whsec_`/],
    ];
    for (const [options, why] of refused) assert.throws(() => service(options), why);
  });
});
