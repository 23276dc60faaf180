/** What needs no database: signatures, secrets, reasons, registrations, the log's hook. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { type } from "arktype";
import pg from "pg";
import * as v from "valibot";
import { z } from "zod";

import { atMost } from "../src/at-most.js";
import { createHandlers, type PayloadOf, type StandardSchema } from "../src/index.js";
import { aboutFailure, say } from "../src/log.js";
import { problems } from "../src/schema.js";
import { keysOf, secretsFrom } from "../src/secrets.js";
import { sign, whyRefused } from "../src/signature.js";

test("the signature of Standard Webhooks' own example", () => {
  const [key] = keysOf(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
  const body = Buffer.from('{"test": 2432232314}');
  const signature = sign(key ?? assert.fail(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
  assert.equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  const signed = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330", signature };
  for (const [now, refused] of [
    [1614265330, false],
    [1614265630, false],
    [1614265631, true],
    [1614265029, true],
  ] as const) {
    assert.equal(whyRefused([key ?? assert.fail()], signed, body, now) !== null, refused, String(now));
  }
});

test("anything else as a secret is refused, and not shown", () => {
  const base64 = (length: number): string => `whsec_${Buffer.alloc(length, 7).toString("base64")}`;
  assert.deepEqual(
    keysOf([base64(24), base64(64)]).map((key) => key.length),
    [24, 64],
  );
  const wrong = [
    base64(23),
    base64(65),
    base64(24).slice(6),
    `${base64(24)}\n`,
    "whsec_",
    `${base64(24).slice(0, -1)}!`,
  ];
  for (const secret of wrong) {
    assert.throws(
      () => keysOf([base64(24), secret]),
      (error: Error) => {
        return error.message.startsWith("secret 2 of 2: must be") && !error.message.includes("BwcH");
      },
    );
  }
});

test("secrets of the environment", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sea-mq-secrets-"));
  const file = join(folder, "secret");
  await writeFile(file, "whsec_a\nwhsec_b\n");
  assert.deepEqual(secretsFrom({}), []);
  assert.deepEqual(secretsFrom({ HANDLER_SECRET: "", HANDLER_SECRET_FILE: "" }), []);
  assert.throws(() => secretsFrom({ HANDLER_SECRET: " " }), /holds no secret/);
  assert.deepEqual(secretsFrom({ HANDLER_SECRET: "whsec_a  whsec_b" }), ["whsec_a", "whsec_b"]);
  assert.deepEqual(secretsFrom({ HANDLER_SECRET_FILE: file }), ["whsec_a", "whsec_b"]);
  assert.throws(() => secretsFrom({ HANDLER_SECRET: "whsec_a", HANDLER_SECRET_FILE: file }), /not both/);
  assert.throws(() => secretsFrom({ HANDLER_SECRET_FILE: "whsec_a" }), {
    message: "HANDLER_SECRET_FILE: the file cannot be read (ENOENT)",
  });
  await writeFile(file, "\n");
  assert.throws(() => secretsFrom({ HANDLER_SECRET_FILE: file }), /the file is empty/);
  await rm(folder, { recursive: true });
});

const SHAPES: Readonly<Record<string, StandardSchema>> = {
  zod: z.object({ name: z.string(), items: z.array(z.object({ size: z.number().max(10) })), kind: z.enum(["a", "b"]) }),
  valibot: v.object({
    name: v.string(),
    items: v.array(v.object({ size: v.pipe(v.number(), v.maxValue(10)) })),
    kind: v.picklist(["a", "b"]),
  }),
  arktype: type({ name: "string", items: type({ size: "number <= 10" }).array(), kind: "'a' | 'b'" }),
};

for (const [vendor, schema] of Object.entries(SHAPES)) {
  const said = async (payload: unknown): Promise<string> => {
    const result = await schema["~standard"].validate(payload);
    return problems(schema["~standard"].vendor, result.issues ?? assert.fail());
  };

  test(`${vendor}: fields and reasons, and no value`, async () => {
    const text = await said({ name: 31337, items: [{ size: 1 }, { size: 31337 }], kind: "secret" });
    for (const field of ["name: ", "items.1.size: ", "kind: "]) assert.ok(text.includes(field), text);
    for (const reason of [/name: .*string/, /size: .*10/, /kind: .*a.*b/]) assert.match(text, reason);
    assert.ok(!text.includes("31337") && !text.includes("secret"), text);
    assert.match(await said("secret"), /^the payload: (?!.*secret)/);
  });
}

test("of a library that is not known here only the fields are told", () => {
  assert.equal(problems("other", [{ message: "secret", path: ["a", { key: 0 }] }]), "a.0: is not valid");
});

test("a payload has the schema's type, for each library", () => {
  const sized = {
    zod: z.object({ size: z.number() }),
    valibot: v.object({ size: v.number() }),
    arktype: type({ size: "number" }),
  };
  const doubled: { [Name in keyof typeof sized]: (payload: PayloadOf<(typeof sized)[Name]>) => number } = {
    zod: (payload) => payload.size * 2,
    valibot: (payload) => payload.size * 2,
    arktype: (payload) => payload.size * 2,
  };
  assert.deepEqual(
    Object.values(doubled).map((twice) => twice({ size: 2 })),
    [4, 4, 4],
  );
});

test("a registration that makes no sense is refused, and says what to write", async () => {
  const pool = new pg.Pool();
  const handlers = createHandlers({ pool }).ignore("coin_lost", 1);
  const payload = z.object({});
  const wrong: ReadonlyArray<readonly [() => unknown, RegExp]> = [
    [() => handlers.on("coin_lost", 1, { payload }, () => {}), /coin_lost version 1 is registered twice/],
    [() => handlers.on("CoinLost", 1, { payload }, () => {}), /lower snake case/],
    [() => handlers.ignore("coin_lost", 0), /1 or more/],
    [
      () => handlers.on("coin_found", 1, {} as { payload: StandardSchema }, () => {}),
      /payload must be a Standard Schema/,
    ],
    [() => handlers.onMany("coin_found", 1, { payload }, undefined as never), /must be a function/],
  ];
  for (const [register, why] of wrong) assert.throws(register, why);
  await pool.end();
});

test("a log that throws fails no event, and a failure's text stays out of it", () => {
  say(() => assert.fail(), "INFO", "all is well");
  class Odd extends Error {
    override readonly name: string = "Odd";
  }
  const failure = aboutFailure(
    new Odd("secret\n    at secret (/secret.js:1:2)", {
      cause: Object.assign(new Error("secret"), { code: "ECONNREFUSED" }),
    }),
  );
  assert.ok(!JSON.stringify(failure).includes("secret"), JSON.stringify(failure));
  assert.match(JSON.stringify(failure), /"error":"Odd","at":"pure\.test\.js:\d+.*"cause":"ECONNREFUSED"/);
  assert.deepEqual(aboutFailure("secret"), { error: "string", at: undefined });
});

test("no more than the limit at a time, beginning in order", async () => {
  const begun: number[] = [];
  let now = 0;
  let most = 0;
  await atMost(3, [...Array(10).keys()], async (item) => {
    begun.push(item);
    most = Math.max(most, (now += 1));
    await new Promise(setImmediate);
    now -= 1;
  });
  assert.deepEqual([begun, most], [[...Array(10).keys()], 3]);
});
