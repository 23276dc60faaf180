/** The handlers that the tests are about: each coin thrown is kept, and told as an event. */

import type pg from "pg";
import { z } from "zod";

import {
  createHandlers,
  Poison,
  Retry,
  type Event,
  type Handlers,
  type HandlersOptions,
  type Transaction,
} from "../src/index.js";

export const Coin = z.object({ coin_id: z.uuid(), value: z.number().int().nonnegative() });
export type Coin = z.infer<typeof Coin>;

/** Another service: counts how often it is asked, and may be away. */
export class Mint {
  times = 0;
  away = false;
  before: (event: Event<Coin>) => Promise<void> = async () => {};

  async ask(event: Event<Coin>): Promise<string> {
    this.times += 1;
    await this.before(event);
    if (this.away) throw new Retry("the mint cannot be reached");
    return `minted ${event.payload.value}`;
  }
}

export async function keep(tx: Transaction, event: Event<Coin, unknown>): Promise<void> {
  const { coin_id: id, value } = event.payload;
  await tx.client.query("INSERT INTO coins (coin_id, value) VALUES ($1, $2)", [id, value]);
  await tx.emit("kit.event.coin_kept.v1", { coin_id: id, asked: event.asked ?? null }, { aggregate: ["coin", id] });
}

/** Versions of coin_thrown: 1 keeps; the others fail in their way after they have kept. */
export function coins(options: HandlersOptions, mint: Mint): Handlers {
  const payload = Coin;
  const failing = (failure: (tx: Transaction) => unknown) => async (tx: Transaction, event: Event<Coin>) => {
    await keep(tx, event);
    await failure(tx);
  };
  const raising = (error: Error): ((tx: Transaction, event: Event<Coin>) => Promise<void>) =>
    failing(() => {
      throw error;
    });
  return createHandlers(options)
    .on("coin_thrown", 1, { payload }, keep)
    .on("coin_thrown", 2, { payload, ask: (event) => mint.ask(event) }, keep)
    .on("coin_thrown", 3, { payload }, raising(new RangeError("secret")))
    .on(
      "coin_thrown",
      4,
      { payload },
      failing(({ client }) => client.query("SET LOCAL statement_timeout = 1; SELECT pg_sleep(10)")),
    )
    .on("coin_thrown", 5, { payload }, raising(new Poison("this coin is no good")))
    .on("coin_thrown", 6, { payload }, raising(new Retry("the till is closed", { afterSecs: 41.5 })))
    .on(
      "coin_thrown",
      7,
      { payload },
      failing(({ client }) => client.query("SELECT pg_terminate_backend(pg_backend_pid())")),
    )
    .on(
      "coin_thrown",
      8,
      { payload },
      failing((tx) => tx.emit("other.event.coin_kept.v1", {})),
    )
    .on(
      "coin_thrown",
      9,
      { payload },
      failing(({ client }) => client.query("COMMIT")),
    )
    .on(
      "coin_thrown",
      10,
      { payload },
      failing(({ client }) => client.query("SELECT 1 / 0").catch(() => {})),
    )
    .ignore("coin_lost", 1);
}

/** How many of these coins there are. */
export async function kept(admin: pg.Pool, ...ids: string[]): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    "SELECT count(*)::integer AS n FROM coins WHERE coin_id = ANY ($1)",
    [ids],
  );
  return rows[0]?.n ?? 0;
}
