/** A context that keeps coins, on the TypeScript SDK, which is built beside this file. */

import { createServer } from "node:http";

import pg from "pg";
import { z } from "zod";

import { createHandlers, createService } from "./dist/index.js";

const Coin = z.object({ coin_id: z.uuid(), value: z.number().int().nonnegative() });
const { DB_URL, KEPT, LISTEN, TRANSACTION } = process.env;

const pool = new pg.Pool({ connectionString: DB_URL, query_timeout: 25_000 });
const handlers = createHandlers({ pool, transaction: TRANSACTION }).on(
  "coin_thrown",
  1,
  { payload: Coin },
  async (tx, event) => {
    const id = event.payload.coin_id;
    await tx.emit(KEPT, { coin_id: id }, { aggregate: ["coin", id] });
  },
);
const [host, port] = LISTEN.split(":");
createServer(createService(handlers, { batch: { maxEvents: 20 } }).listener).listen(Number(port), host, () =>
  console.log("listening"),
);
