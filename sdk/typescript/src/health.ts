import type { Pool } from "pg";

import { sqlState } from "./answer.js";
import { withConnection } from "./connection.js";
import { aboutFailure, say, type Log } from "./log.js";
import { Unreachable } from "./refusals.js";

const READY_WAIT_MS = 2_000;

const MISSING = `
  SELECT need FROM unnest($1::text[]) AS need
  CROSS JOIN LATERAL (SELECT split_part(need, '.', 1) AS of_table, split_part(need, '.', 2) AS of_column) AS part
  WHERE to_regclass(of_table) IS NULL
     OR of_column <> '' AND NOT EXISTS (
          SELECT FROM pg_attribute
          WHERE attrelid = to_regclass(of_table) AND attname = of_column AND NOT attisdropped)
  ORDER BY need`;

/**
 * Why the handlers cannot work now, or null when they can: the database is reachable, the inbox's functions can be
 * called, and the tables (`table`) and columns (`table.column`) that they need are there.
 */
export async function whyNotReady(pool: Pool, needs: readonly string[], log: Log): Promise<string | null> {
  try {
    const missing = await withConnection(pool, READY_WAIT_MS, async (client) => {
      await client.query(limited("SELECT inbox_begin(gen_random_uuid(), '', 0)"));
      const { rows } = await client.query<{ need: string }>(limited(MISSING), [needs]);
      return rows.map((row) => row.need);
    });
    return missing.length === 0 ? null : `there is no ${missing.join(", ")}; run the context's migrations`;
  } catch (error) {
    say(log, "WARN", "not ready", aboutFailure(error));
    const state = sqlState(error);
    if (state === null || error instanceof Unreachable)
      return "the database cannot be reached; check its URL and see the log";
    return `sea-mq's functions cannot be called (SQLSTATE ${state}); run \`sea-mq db provision\``;
  }
}

function limited(text: string): { text: string } {
  const statement = { text, query_timeout: READY_WAIT_MS };
  return statement;
}
